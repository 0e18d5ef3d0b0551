"""The one error a user's input can cause, and how the errors of libraries are told."""

from __future__ import annotations


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


def in_one_line(error: Exception) -> str:
    """For a log: the kind of a library's error, and its first line, at most 200 characters."""
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]
