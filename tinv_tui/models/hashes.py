"""Model hashes: the first ten hex digits of a checkpoint file's SHA-256, as A1111 prints it (reference a1111 §2.1).

A diffusers folder has no such file. Its hash is that of its UNet's weights, of which a fine-tuned model always has its own:
of the file that is loaded, of the files one after another, by name, where they are sharded. Hashes are kept in
TINV_HOME/cache/hashes.json by path, size and time, since reading gigabytes takes a while. What a safetensors header says
of a hash (``modelspec.hash_sha256``, ``sshs_model_hash``) is of the tensors, not of the file, and is not looked at.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.models.file_facts import FileFacts, stamp_of
from tinv_tui.models.part_files import part_files_if_any
from tinv_tui.settings import load_settings

DIGITS = 10
_CHUNK_BYTES = 2**22
_CACHE = "hashes"


class HashingStopped(Exception):
    """It was told to stop before the end."""


def hashed_files(path: Path) -> list[Path]:
    """The files whose content makes the hash of a model file or a diffusers folder; none where it has none.

    Raises InputError for a folder whose UNet is incomplete.
    """
    return [path] if path.is_file() else part_files_if_any(path / "unet")


def hashed_bytes(path: Path) -> int:
    """How much :func:`model_hash` will have to read. Raises OSError or InputError."""
    return sum(file.stat().st_size for file in hashed_files(path))


class KnownHashes:
    """What is known without reading a model: from our own cache, A1111's, and the Hub's. Read once, for many models."""

    def __init__(self) -> None:
        self._ours = FileFacts(_CACHE)
        self._a1111_models, self._a1111 = _read_a1111()

    def of(self, path: Path) -> str | None:
        """The hash of a model file or a diffusers folder; None where it is not known."""
        try:
            files = hashed_files(path)
            found = (self._from_hub(files) or self._from_ours(files) or self._from_a1111(files)) if files else None
        except (OSError, InputError):
            return None
        return found[:DIGITS] if found else None

    def _from_ours(self, files: list[Path]) -> str | None:
        return _sha256(self._ours.get(files))

    def _from_hub(self, files: list[Path]) -> str | None:
        """The Hub's cache calls the content of a large file by its SHA-256."""
        blob = files[0].resolve() if len(files) == 1 else None
        return _sha256(blob.name) if blob is not None and blob.parent.name == "blobs" else None

    def _from_a1111(self, files: list[Path]) -> str | None:
        """A1111 knows checkpoints by their path below its models/Stable-diffusion, and by their time."""
        file, models = files[0].absolute(), self._a1111_models
        if models is None or len(files) != 1 or not file.is_relative_to(models):
            return None
        try:
            entry = self._a1111[f"checkpoint/{file.relative_to(models)}"]
            same = abs(float(entry["mtime"]) - file.stat().st_mtime) < 0.01
            return _sha256(entry["sha256"]) if same else None
        except (ValueError, KeyError, TypeError):
            return None


def known_hash(path: Path) -> str | None:
    """The hash of one model as far as it is known without reading it."""
    return KnownHashes().of(path)


def model_hash(
    path: Path,
    progress: Callable[[int, int], None] = lambda *_: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> str:
    """The hash of a model file or a diffusers folder, read only where it is not known, and kept.

    ``progress`` gets bytes done and in all; hashing gives other threads their turn. Raises OSError, HashingStopped when
    ``interrupted``, or InputError where there is nothing to hash.
    """
    known = known_hash(path)
    if known is not None:
        return known
    files = hashed_files(path)
    if not files:
        raise InputError("model-missing", f"{path}: there are no weights to hash", "Give a model file or folder.")
    stamp, digest, done = stamp_of(files), hashlib.sha256(), 0
    total = sum(size for size, _ in stamp)
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    for file in files:
        with file.open("rb", buffering=0) as content:
            while count := content.readinto(buffer):
                digest.update(buffer[:count])
                done += count
                progress(done, total)
                if interrupted():
                    raise HashingStopped
    if stamp_of(files) == stamp:  # a file that is still being written has no hash yet worth keeping
        cache = FileFacts(_CACHE)
        cache.keep(files, stamp, digest.hexdigest())
        cache.save()
    return digest.hexdigest()[:DIGITS]


class HashInBackground:
    """The hash of a model, read in a thread while something else goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: str | None = None
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def result(self) -> str | None:
        """Wait for it; None where the file cannot be read."""
        self._thread.join()
        return self._found

    def leave(self) -> None:
        """Nobody wants it any more."""
        self._left.set()

    def _work(self) -> None:
        try:
            self._found = model_hash(self._path, interrupted=self._left.is_set)
        except (OSError, InputError, HashingStopped):
            pass


def _read_a1111() -> tuple[Path | None, dict[str, Any]]:
    """The models folder of A1111, where the settings name one, and what its cache.json knows."""
    try:
        folder = load_settings().a1111
    except InputError:
        folder = None
    if folder is None:
        return None, {}
    try:
        known = json.loads((folder / "cache.json").read_text(encoding="utf-8"))["hashes"]
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    return folder / "models" / "Stable-diffusion", known if isinstance(known, dict) else {}


def _sha256(value: object) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) else None
