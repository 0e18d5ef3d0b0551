"""What a killed worker left half-written is removed by the next one, and nothing else is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tinv_tui import paths
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.leftovers import sweep_leftovers


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "runs", "cat")


def touched(path: Path, seconds_ago: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return path


def test_half_written_files_of_the_runs_own_folders_go_at_once(run: RunFolder) -> None:
    left = [
        touched(run.checkpoint / ".latents.safetensors.a1b2.tmp"),
        touched(run.copies / ".cat-5.safetensors.a1b2.tmp"),
        touched(run.images / ".cat-5.png.a1b2.tmp"),
        touched(run.image_embeddings / ".cat-5.png.a1b2.tmp"),
    ]
    sweep_leftovers(run)
    assert not [path for path in left if path.exists()]


def test_where_others_write_too_only_old_ones_go(run: RunFolder) -> None:
    library = paths.embeddings_folder()
    new = [touched(run.path / ".status.json.a1.tmp"), touched(library / ".cat.safetensors.a1.tmp")]
    old = [
        touched(run.path / ".status.json.b2.tmp", seconds_ago=3600),
        touched(library / ".cat.safetensors.b2.tmp", seconds_ago=3600),
    ]
    sweep_leftovers(run)
    assert all(path.exists() for path in new)
    assert not any(path.exists() for path in old)


def test_whole_files_commands_and_other_peoples_files_stay(run: RunFolder) -> None:
    kept = [
        touched(run.checkpoint / "state.safetensors", seconds_ago=3600),
        touched(run.copies / "cat-5.safetensors", seconds_ago=3600),
        touched(run.inbox / ".1-a.tmp", seconds_ago=3600),
        touched(paths.embeddings_folder() / ".dog.safetensors.a1.tmp", seconds_ago=3600),
    ]
    sweep_leftovers(run)
    assert all(path.exists() for path in kept)


def test_a_folder_that_has_gone_is_no_reason_to_fail(run: RunFolder) -> None:
    run.images.rmdir()
    sweep_leftovers(run)
