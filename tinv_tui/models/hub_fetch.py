"""Fetches a base model from the Hub into its cache. The one module of the program that touches the network."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinv_tui.errors import InputError
from tinv_tui.models.hub import cache_folder, fetched_folder, looks_like_hub_id, needed_files

_PATIENCE_SECONDS = 5.0
"""For the first answer: a network that is not there should not take long to say so."""
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class _File:
    name: str
    bytes: int
    etag: str
    """What the cache calls its content: SHA-256 for large files, a Git object id for small ones."""


def fetch(hub_id: str, progress: Callable[[int, int], None]) -> Path:
    """Bring a base model into the Hub's cache; the folder it lies in. What is there already is not fetched again.

    ``progress`` gets bytes done and in all, a few times a second, and may raise to end it; whole files stay then.
    Raises InputError, after a few seconds where there is no network.
    """
    if not looks_like_hub_id(hub_id):
        raise InputError("hub-id", f"{hub_id!r} is no hub id", "A hub id reads owner/name.")
    # Before the library is imported, which reads them then.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    commit, files = _list(hub_id)
    names = needed_files(files, hub_id)
    progress(0, sum(files[name].bytes for name in names))
    _download(hub_id, commit, [files[name] for name in names], progress)
    return fetched_folder(hub_id)


def _list(hub_id: str) -> tuple[str, dict[str, _File]]:
    """The newest commit, and its files by name."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(hub_id, files_metadata=True, timeout=_PATIENCE_SECONDS)
    except Exception as error:  # noqa: BLE001  its network errors share no class across the library's versions
        raise _in_words(error, hub_id) from None
    found = {
        file.rfilename: _File(file.rfilename, file.size or 0, (file.lfs.sha256 if file.lfs else file.blob_id) or "")
        for file in info.siblings or ()
    }
    return str(info.sha), found


def _download(hub_id: str, commit: str, files: list[_File], progress: Callable[[int, int], None]) -> None:
    from huggingface_hub import hf_hub_download

    blobs = cache_folder() / f"models--{hub_id.replace('/', '--')}" / "blobs"
    total, begun = sum(file.bytes for file in files), time.time()
    failed = list[Exception]()

    def work() -> None:
        try:
            for file in files:
                hf_hub_download(hub_id, file.name, revision=commit)
            hf_hub_download(hub_id, "model_index.json", revision="main")  # notes which snapshot is the newest
        except Exception as error:  # noqa: BLE001  as above
            failed.append(error)

    # A thread, and its files looked at: the library tells of bytes only by bars that differ between its versions.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while worker.is_alive():
            worker.join(_LOOK_SECONDS)
            progress(min(total, sum(_present(blobs, file, begun) for file in files)), total)
    except BaseException:
        _tidy(blobs, files, begun)
        raise
    if failed:
        raise _in_words(failed[0], hub_id)


def _parts(blobs: Path, file: _File, begun: float) -> list[Path]:
    """What this fetch has of a file that is not whole; newer versions of the library never go on with an older one's."""
    found = blobs.glob(f"{file.etag}*.incomplete") if file.etag else iter(())
    return [path for path in found if path.stat().st_mtime >= begun - 1]


def _present(blobs: Path, file: _File, begun: float) -> int:
    """Bytes of a file that are there."""
    try:
        if file.etag and (blobs / file.etag).exists():
            return file.bytes
        return max((path.stat().st_size for path in _parts(blobs, file, begun)), default=0)
    except OSError:  # it was renamed in between
        return 0


def _tidy(blobs: Path, files: list[_File], begun: float) -> None:
    """Remove half files that nothing would go on with."""
    for file in files:
        try:
            for path in _parts(blobs, file, begun):
                if path.name != f"{file.etag}.incomplete":
                    path.unlink(missing_ok=True)
        except OSError:
            pass


def _in_words(error: Exception, hub_id: str) -> InputError:
    from huggingface_hub import errors

    known: tuple[tuple[Any, str, str, str], ...] = (
        (
            errors.OfflineModeIsEnabled,
            "hub-offline",
            f"{hub_id} cannot be fetched: HF_HUB_OFFLINE is set",
            "Unset it, or copy the model's folder here and give its path.",
        ),
        (
            errors.GatedRepoError,
            "hub-gated",
            f"{hub_id} is given only to those who accepted its terms",
            "Accept them on its page, then log in here with: hf auth login",
        ),
        (
            errors.RepositoryNotFoundError,
            "hub-unknown",
            f"the Hub knows no model {hub_id}",
            "Look at the spelling; for a private one log in with: hf auth login",
        ),
    )
    for kind, code, message, hint in known:
        if isinstance(error, kind):
            return InputError(code, message, hint)
    line = re.sub(r"\s+", " ", str(error).strip().partition("\n")[0]) or type(error).__name__
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    return InputError(
        "hub-unreachable",
        f"{hub_id} could not be fetched from {endpoint}: {line}",
        "Try again; what is fetched stays. Where there is no network, copy the model's folder here and give its path.",
    )
