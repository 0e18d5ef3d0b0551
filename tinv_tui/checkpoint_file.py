"""The file of a checkpoint: a safetensors file under a checksum, and beside it the one before, for when it is damaged."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from tinv_tui.atomic import write_atomic

_FACTS = "tinv"
_CHECKSUM = "sha256"


def write_checkpoint(path: Path, content: bytes) -> None:
    """Write a safetensors file, sealed and atomically; the file that was there is kept beside it. Raises OSError."""
    sealed = _seal(content)
    if path.exists():
        _keep(path)
    write_atomic(path, sealed)


def read_checkpoint(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The file and its facts, if every byte is as it was written. Raises OSError, or ValueError when one is not."""
    content = path.read_bytes()
    try:
        header, data = _parts(content)
        facts = json.loads(header["__metadata__"][_FACTS])
        is_sound = header["__metadata__"].pop(_CHECKSUM) == _digest(header, data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is damaged ({type(error).__name__})") from None
    if not is_sound or not isinstance(facts, dict):
        raise ValueError("it is damaged: its checksum is wrong")
    return content, facts


def before(path: Path) -> Path:
    """Where the checkpoint before this one is kept."""
    return path.with_name(f"{path.stem}-before{path.suffix}")


def forget_before(path: Path) -> None:
    """Remove the checkpoint before this one: it is of steps that the run has given up. Raises OSError."""
    before(path).unlink(missing_ok=True)


def newest_sound(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The checkpoint, or the one before it where it is damaged or gone. Raises OSError or ValueError as of the newest."""
    try:
        return read_checkpoint(path)
    except (OSError, ValueError):
        try:
            return read_checkpoint(before(path))
        except (OSError, ValueError):
            pass
        raise


def mend(path: Path) -> str | None:
    """Put the checkpoint before in the place of a damaged one; what was wrong, None where nothing was.

    Raises ValueError when neither can be used.
    """
    if not path.exists() and not before(path).exists():
        return None
    try:
        read_checkpoint(path)
    except (OSError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"it cannot be read: {error.strerror}"
        try:
            read_checkpoint(before(path))
            os.replace(before(path), path)
        except (OSError, ValueError):
            raise ValueError(f"{reason}, and there is no sound one before it") from None
        return reason
    return None


def _keep(path: Path) -> None:
    """By a second name for the file, so that at no moment there is none of the usual name."""
    second = before(path).with_name(f".{before(path).name}.tmp")
    second.unlink(missing_ok=True)
    try:
        os.link(path, second)
    except OSError:  # a file system without them
        os.replace(path, before(path))
    else:
        os.replace(second, before(path))


def _seal(content: bytes) -> bytes:
    header, data = _parts(content)
    header["__metadata__"][_CHECKSUM] = _digest(header, data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors are aligned
    return len(text).to_bytes(8, "little") + text + data


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a safetensors file (huggingface/safetensors, "Format"). Raises ValueError."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return header, content[8 + length :]


def _digest(header: dict[str, Any], data: bytes) -> str:
    """Over all that a reader makes something of: how the header is spaced is nothing."""
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\0" + data).hexdigest()
