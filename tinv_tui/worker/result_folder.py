"""The folder that a job writes its results to: there before the first of them, and gone again where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def result_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it that are missing. Raises OSError where that is not possible.

    At the end, whatever it is, those that were made here and hold nothing are removed: what was wrong with the input
    leaves nothing behind. A folder that was there before stays.
    """
    made = list[Path]()
    try:
        for path in (*reversed(folder.parents), folder):
            try:
                path.mkdir()
            except OSError:  # it is there, which a read-only disk may say in other words
                if not path.is_dir():
                    raise
            else:
                made.append(path)
        yield
    finally:
        with suppress(OSError):  # from the first one that holds something, all do
            for path in reversed(made):
                path.rmdir()
