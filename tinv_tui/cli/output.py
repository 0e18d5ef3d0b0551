"""What every command shares: ``--json``, ``--debug``, and how an error is said."""

from __future__ import annotations

import asyncio
import functools
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import click

from tinv_tui import paths
from tinv_tui.errors import InputError, as_input_error, in_words
from tinv_tui.printable import printable
from tinv_tui.runs.folder import RunFolder

EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130
_INTERRUPTED = (KeyboardInterrupt, click.Abort, asyncio.CancelledError)
"""Somebody would have it end: by ctrl-c, by the answer to a question, or by a signal that cancels what it waits for."""

_F = TypeVar("_F", bound=Callable[..., Any])


class JobFailed(Exception):
    """The job ran and failed: exit 1, or 2 when its input was at fault. ``more`` is added to the JSON object."""

    def __init__(self, code: str, message: str, hint: str, exit_code: int, more: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.exit_code = exit_code
        self.more = more or {}


def folder_gone(folder: RunFolder, more: dict[str, Any] | None = None) -> JobFailed:
    """For who watched a run until its folder was deleted, or moved away."""
    said = f"{folder.path} is gone: deleted or moved away while it was watched"
    return JobFailed("run-gone", said, "See what runs there are: tinv-tui runs", 1, more)


def command(name: str) -> Callable[[_F], click.Command]:
    """A click command that takes ``--json`` (handed on as ``as_json``) and turns errors into exit codes."""

    def wrap(function: _F) -> click.Command:
        @functools.wraps(function)
        def guarded(*args: Any, debug: bool, as_json: bool, **kwargs: Any) -> None:
            try:
                paths.check_home()
                with like_ctrl_c(signal.SIGTERM):
                    function(*args, as_json=as_json, **kwargs)
            except InputError as error:
                if debug:
                    raise
                say_error(error.code, error.message, error.hint, as_json)
                sys.exit(EXIT_INPUT)
            except JobFailed as error:
                say_error(error.code, str(error), error.hint, as_json, error.more)
                sys.exit(error.exit_code)
            except _INTERRUPTED:
                if as_json:
                    say_error("interrupted", "stopped before it was done", "", as_json)
                sys.exit(EXIT_INTERRUPTED)
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left, e.g. head
            except OSError as error:
                if debug:
                    raise
                if (wrong := as_input_error(error)) is not None:
                    say_error(wrong.code, wrong.message, wrong.hint, as_json)
                    sys.exit(EXIT_INPUT)
                say_error("file-trouble", in_words(error), "Run again with --debug for the traceback.", as_json)
                sys.exit(EXIT_FAILED)
            except Exception as error:
                if debug:
                    raise
                say_error(
                    "internal", f"{type(error).__name__}: {error}", "Run again with --debug for the traceback.", as_json
                )
                sys.exit(EXIT_FAILED)

        guarded = click.option("--debug", is_flag=True, help="Show tracebacks.")(guarded)
        guarded = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else.")(
            guarded
        )
        return click.command(name)(guarded)

    return wrap


@contextmanager
def like_ctrl_c(number: signal.Signals) -> Iterator[None]:
    """While inside, that signal does what ctrl-c does: what the command has begun is ended, its temporary files are gone.

    One that is ignored stays so (nohup); a command that has a way of its own with it comes first.
    """
    before = signal.getsignal(number)
    if before is not signal.SIG_DFL:
        yield
        return
    signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(number, before)


def say_error(code: str, message: str, hint: str, as_json: bool, more: dict[str, Any] | None = None) -> None:
    """One to three lines on stderr, or a JSON object on stdout."""
    if as_json:
        with suppress(OSError):  # stdout may be what cannot be written; then stderr has to do
            print_json({**(more or {}), "error": {"code": code, "message": message, "hint": hint}})
            return
    for line in f"error: {message}".split("\n"):
        say(line, err=True)
    for line in hint.splitlines():
        say(f"  {line}", err=True)


def say(line: str, *, err: bool = False) -> None:
    """A line that may hold what somebody's file or file name says."""
    click.echo(printable(line), err=err)


def say_over(line: str, *, stays: bool = False) -> None:
    """The line of stderr that renews itself in a terminal; the next is written over it unless it stays. "" takes it away."""
    click.echo(f"\r\x1b[K{printable(line)}", err=True, nl=stays)


def print_json(content: dict[str, Any]) -> None:
    """One object on one line; what JSON cannot say (NaN, infinity) is null."""
    click.echo(json.dumps(_sayable(content), allow_nan=False))


def _sayable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _sayable(item) for key, item in value.items()}
    return [_sayable(item) for item in value] if isinstance(value, list | tuple) else value


def is_terminal() -> bool:
    """Whether a person sits at both ends, with a terminal that can draw, or a browser that serve draws in."""
    if "web_driver" in os.environ.get("TEXTUAL_DRIVER", ""):
        return True
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def require_terminal(hint: str) -> None:
    """Raise InputError where the app cannot be drawn."""
    if not is_terminal():
        raise InputError("no-terminal", "the app needs a terminal", hint)


def duration(seconds: float | None) -> str:
    """``1h30m``, ``4m05s``, ``12s``, or – when unknown."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole}s"


def megabytes(amount: float) -> str:
    """``512 MB`` or ``4.27 GB``, as disks and downloads are counted."""
    return f"{amount / 1e9:.2f} GB" if amount >= 1e9 else f"{amount / 1e6:.{0 if amount >= 1e7 else 1}f} MB"
