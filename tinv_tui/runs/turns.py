"""One at a time: commands that do the same thing at the same moment, in this process and others."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tinv_tui.atomic import open_to_append


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Wait until nobody else is within a block of the same ``file``, which is made and stays.

    Where it cannot be made or locked (another's folder, a file system without locks) nobody waits: what is done there tells.
    """
    with ExitStack() as held:
        with suppress(OSError):
            fcntl.flock(held.enter_context(open_to_append(file)), fcntl.LOCK_EX)
        yield
