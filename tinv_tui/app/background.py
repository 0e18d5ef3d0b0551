"""Work that goes on beside the keys. What nobody foresaw in it is told, and does not end the app."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import ScreenStackError
from textual.css.query import NoMatches
from textual.dom import DOMNode, NoScreen
from textual.widget import MountError
from textual.worker import Worker

from tinv_tui import paths
from tinv_tui.app.messages import WorkFailed
from tinv_tui.atomic import write_atomic
from tinv_tui.errors import in_one_line, in_words

LEFT = (MountError, NoMatches, NoScreen, ScreenStackError)
"""What Textual raises where a screen, or a part of one, is no longer there."""


def in_background(
    node: DOMNode, work: Awaitable[Any] | Callable[[], Any], *, group: str = "default", exclusive: bool = False
) -> Worker[None]:
    """Do it as long as ``node`` is there; ``exclusive`` ends what it does in the same group."""

    async def told() -> None:
        try:
            await (work() if callable(work) else work)
        except LEFT:
            pass  # what it was done for was left meanwhile
        except Exception as error:  # noqa: BLE001  whatever it is: a key that does nothing would be worse
            node.app.post_message(WorkFailed(error))

    return node.run_worker(told, group=group, exclusive=exclusive, exit_on_error=False)


def kept_story(error: Exception) -> str:
    """What is said of it on one line. Of what is no fault of a disk or a file, the whole is written down beside."""
    if isinstance(error, OSError):
        return in_words(error)
    said = f"a fault of the app's own: {in_one_line(error)}"
    try:
        paths.app_log().parent.mkdir(parents=True, exist_ok=True)
        write_atomic(paths.app_log(), "".join(traceback.format_exception(error)))
    except OSError:
        return said
    return f"{said}. Where it comes from is in {paths.app_log()}"
