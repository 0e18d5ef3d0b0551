"""A model's files are read into the system's cache ahead of their use, and nothing that is wrong with them matters there."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tinv_tui.models import fetch_ahead as subject
from tinv_tui.models.fetch_ahead import fetch_ahead


def folder_of(tmp_path: Path, *files: str) -> Path:
    for name in files:
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(200_000))
    return tmp_path / "model"


def test_the_weights_of_all_parts_are_read_whole_the_vae_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{part}/model.safetensors" for part in ("vae", "text_encoder", "text_encoder_2", "unet")]
    root = folder_of(
        tmp_path, *names, "unet/model.fp16.safetensors", "unet/config.json", "safety_checker/model.safetensors"
    )
    sent, really = list[tuple[str, int]](), os.sendfile

    def sendfile(to: int, source: int, at: int, count: int) -> int:
        done = really(to, source, at, min(count, 150_000))
        sent.append((os.readlink(f"/proc/self/fd/{source}"), done))
        return done

    monkeypatch.setattr(os, "sendfile", sendfile)
    thread = fetch_ahead(str(root), tmp_path)
    assert thread is not None
    thread.join()
    assert list(dict.fromkeys(path for path, _ in sent)) == [str(root / name) for name in names]
    assert sum(count for _, count in sent) == 4 * 200_000


@pytest.mark.parametrize("model", ["nothing", "somebody/something", "~nobody-of-that-name/x", "empty"])
def test_there_is_nothing_to_read_of_a_model_that_is_not_there(model: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert fetch_ahead(model, tmp_path) is None


def test_a_file_that_is_none_is_left_to_loading(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "unet/model.safetensors", "text_encoder/config.json")
    os.mkfifo(root / "text_encoder" / "model.safetensors")
    (root / "vae" / "model.safetensors").mkdir(parents=True)
    thread = fetch_ahead(str(root), tmp_path)
    assert thread is not None
    thread.join(10)
    assert not thread.is_alive()


def test_a_model_that_memory_would_not_hold_twice_is_not_read_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder_of(tmp_path, "unet/model.safetensors")
    available = psutil.virtual_memory()._replace(available=399_999)
    monkeypatch.setattr(subject.psutil, "virtual_memory", lambda: available)
    assert fetch_ahead(str(root), tmp_path) is None
