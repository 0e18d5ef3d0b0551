"""The one error a user's input can cause, and how the errors of libraries are told."""

from __future__ import annotations

import errno
import os
import re


class InputError(Exception):
    """Something the user gave is wrong; the command line exits with 2 and prints all three parts.

    ``code`` is a stable kebab-case word for programs, ``message`` says what and where, ``hint`` says what to do.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        return InputError, (self.code, self.message, self.hint)  # so that it crosses from one process to another

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


_NOT_THEIRS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
)  # fmt: skip
_TEMPORARY = re.compile(r"\.(.+)\.\w{8}\.tmp")


def in_words(error: OSError) -> str:
    """The path and what is wrong with it, as far as the system tells; of a file under way, the one it was to become."""
    where = os.fsdecode(error.filename2 or error.filename) if isinstance(error.filename, str | bytes) else ""
    folder, name = os.path.split(where)
    if under_way := _TEMPORARY.fullmatch(name):
        where = os.path.join(folder, under_way[1])
    said = error.strerror or str(error) or type(error).__name__
    return f"{where}: {said}" if where else said


def why_unreadable(error: OSError | ValueError | RecursionError) -> str:
    """What is wrong with a text file, for behind its path: one line, and nothing of Python's."""
    match error:
        case UnicodeDecodeError():
            return "it is not text in UTF-8"
        case RecursionError():
            return "it is nested too deep"
        case OSError():
            return error.strerror or str(error)
        case _:
            return str(error)


def as_input_error(error: OSError) -> InputError | None:
    """For a file or folder that is not the user's to write, or none; None for trouble that no other choice helps."""
    if error.errno not in _NOT_THEIRS:
        return None
    return InputError(
        "not-writable", in_words(error), "Choose a place that you can write to, or put its permissions right."
    )


def in_one_line(error: Exception) -> str:
    """For a log: the kind of a library's error, and its first line, at most 200 characters."""
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]
