"""Writes files so that a reader, or a power cut, sees the old content or the new, never half of it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

_UMASK = os.umask(0o077)
os.umask(_UMASK)
# Read once, at import: it can only be read by setting it, and that is no thing to do while other threads make files.

DiskTrouble = Literal["full", "broken", "away", "closed"]
"""No room, or no more of it for this user; a disk that fails; one that is not to be reached; one that lets nobody write."""

_DISK_TROUBLE: dict[DiskTrouble, str] = {
    "full": "ENOSPC EDQUOT",
    "broken": "EIO EROFS",
    # What a network disk says while its server is away or busy, or one of a process (FUSE) or a cable that has gone.
    "away": "ESTALE ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENETRESET ECONNREFUSED ECONNRESET ECONNABORTED "
    "ENOTCONN ESHUTDOWN EREMOTEIO ENODEV ENXIO EAGAIN EBUSY",
    # A ticket of the user has run out, or rights were taken away; both can be given back while a run waits.
    "closed": "EACCES EPERM EKEYEXPIRED EKEYREVOKED EKEYREJECTED ENOKEY",
}
_TROUBLE_OF: dict[int, DiskTrouble] = {
    getattr(errno, name): trouble
    for trouble, names in _DISK_TROUBLE.items()
    for name in names.split()
    if hasattr(errno, name)  # not every system has all
}

_NO_MODES = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system says that has one owner and one mode for all, as a share of Windows has."""

_NAME_BYTES = 255 - len("...tmp") - 8
"""Of a file's name in that of its temporary file, which has eight characters of its own."""


def disk_trouble(error: OSError) -> DiskTrouble | None:
    """What keeps the disk from taking a write, where that may pass, and then all is well; None for any other error."""
    return None if error.errno is None else _TROUBLE_OF.get(error.errno)


def is_disk_trouble(error: OSError) -> bool:
    """Whether it may pass by itself or by somebody's doing: see :func:`disk_trouble`."""
    return disk_trouble(error) is not None


def write_atomic(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Write to a temporary file beside ``path``, fsync (when ``durable``), rename over it.

    The temporary file starts with a dot and is removed when writing fails. What the file becomes is open to nobody whom its
    folder is closed to, whatever the umask. A link at ``path`` is replaced, never followed. Raises OSError.
    """
    data = content.encode() if isinstance(content, str) else content
    write_together({path: data}, lambda path, temporary: None, durable=durable)


def write_together(
    contents: Mapping[Path, bytes], check: Callable[[Path, Path], None], *, durable: bool = True
) -> None:
    """As :func:`write_atomic` several files of one folder; none is renamed unless ``check`` has let all of them pass.

    It is called with the path and the temporary file, and raises what it has against it.
    """
    temporaries = dict[Path, Path]()
    try:
        for path, data in contents.items():
            begins = os.fsencode(path.name)[:_NAME_BYTES].decode(errors="ignore")
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{begins}.", suffix=".tmp")
            temporaries[path] = Path(temporary)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    if durable:
                        os.fsync(file.fileno())
            except OSError as error:  # of a full disk the system does not say which file
                error.filename = error.filename or str(path)
                raise
            chmod_where_it_can(Path(temporary), 0o666 & ~_UMASK & os.stat(path.parent).st_mode)
        for path, made in temporaries.items():
            check(path, made)
        for path, made in temporaries.items():
            os.replace(made, path)
    except BaseException:
        for made in temporaries.values():
            made.unlink(missing_ok=True)
        raise
    if durable:
        for folder in {path.parent for path in contents}:
            _sync_folder(folder)


def chmod_where_it_can(path: Path, mode: int) -> None:
    """Set who may do what; where the file system refuses that to its files, they stay as it has them. Raises OSError."""
    try:
        os.chmod(path, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


def open_to_append(path: Path) -> BinaryIO:
    """For a file that grows, made 0600; unbuffered. Raises OSError, also where ``path`` is a link."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    return os.fdopen(handle, "ab", buffering=0)


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
