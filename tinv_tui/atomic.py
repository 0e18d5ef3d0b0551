"""Writes files so that a reader, or a power cut, sees the old content or the new, never half of it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

_UMASK = os.umask(0o077)
os.umask(_UMASK)
# Read once, at import: it can only be read by setting it, and that is no thing to do while other threads make files.

_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


def is_disk_trouble(error: OSError) -> bool:
    """Whether the disk is full, the quota used up, or the disk takes no writes: what may pass, and then all is well."""
    return error.errno in _DISK_TROUBLE


def write_atomic(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Write to a temporary file beside ``path``, fsync (when ``durable``), rename over it.

    The temporary file starts with a dot and is removed when writing fails. Raises OSError.
    """
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; some network file systems refuse, and then it is as durable as they are."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
