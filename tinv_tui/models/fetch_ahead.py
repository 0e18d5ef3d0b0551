"""Has the system read a model's files into its page cache while this process still imports what will load them.

The imports take seconds of one core and no disk, the weights seconds of the disk and no core: one hides the other.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

from tinv_tui.errors import InputError
from tinv_tui.models.identify import locate
from tinv_tui.models.part_files import part_files_if_any

_PARTS = ("vae", "text_encoder", "text_encoder_2", "unet")
"""In the order in which they are needed."""
_SHARE_OF_MEMORY = 0.5
"""Of what is available: where a model takes more, what is read first would be gone before it is needed."""
_AT_ONCE_BYTES = 2**26


def fetch_ahead(model: str, beside: Path) -> threading.Thread | None:
    """Begin to read the base model that a recipe names; the thread that does, None where there is nothing to read.

    It is nobody's to wait for: it ends with the process, and no fault of a file or a disk is told here.
    """
    try:
        root = locate(model, beside)
        files = [root] if root.is_file() else [file for part in _PARTS for file in part_files_if_any(root / part)]
        needed = sum(file.stat().st_size for file in files)
    except (OSError, InputError):
        return None
    if not files or needed > _SHARE_OF_MEMORY * psutil.virtual_memory().available:
        return None
    thread = threading.Thread(target=_read, args=(files,), name="fetch-ahead", daemon=True)
    thread.start()
    return thread


def _read(files: Sequence[Path]) -> None:
    """Sent nowhere, so that the numbers pass by no buffer of ours: the system reads its own pages, no core is kept busy."""
    try:
        with open(os.devnull, "wb", buffering=0) as nowhere:
            for path in files:
                handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                with os.fdopen(handle, "rb", buffering=0) as file:
                    facts, at = os.fstat(handle), 0
                    while stat.S_ISREG(facts.st_mode) and at < facts.st_size:
                        sent = os.sendfile(nowhere.fileno(), file.fileno(), at, _AT_ONCE_BYTES)
                        if not sent:
                            break
                        at += sent
    except OSError:
        pass  # loading says what is wrong with it
