"""What a run writes is its user's alone and stays in its folder; what others leave there is not followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.helpers import recipe, train_here
from tinv_tui import atomic, paths
from tinv_tui.embeddings.formats import FORMATS, library_file
from tinv_tui.embeddings.names import clean_name
from tinv_tui.errors import InputError
from tinv_tui.runs.events import EventWriter, read_all
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.liveness import RunLock
from tinv_tui.runs.losses import LossTable
from tinv_tui.runs.plan import plan_run


@pytest.fixture
def open_umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.umask(0)
    monkeypatch.setattr(atomic, "_UMASK", 0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_run_is_private_whatever_the_umask_and_its_result_is_as_open_as_the_umask_says(open_umask: None) -> None:
    folder = make_run(plan_run(recipe(training__steps=2, saving__embedding_every=1, saving__image_every=1), Path.cwd()))
    atomic.open_to_append(folder.worker_log).close()
    outside = paths.home() / "elsewhere"
    outside.mkdir()
    folder.images.rmdir()
    folder.images.symlink_to(outside)
    assert train_here(folder) == 0

    found = {path: mode(path) for path in folder.path.rglob("*") if not path.is_symlink()}
    assert {path.name for path in found} >= {"events.jsonl", "status.json", "recipe.toml", "zork-1.safetensors"}
    assert {path: m for path, m in found.items() if m != (0o700 if path.is_dir() else 0o600)} == {}
    assert mode(folder.path) == 0o700
    assert mode(paths.embeddings_folder() / "zork.safetensors") == 0o644

    assert list(outside.iterdir()) == []
    warnings = [event["message"] for event in read_all(folder.events) if event["kind"] == "warning"]
    assert any("images has become a link" in message for message in warnings)


def test_no_link_in_place_of_a_file_that_grows_is_written_through(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(target)
    table = LossTable(link)
    table.add(1, 0, 0, 0.5, 0.1)
    for write in (lambda: EventWriter(link), table.flush, lambda: RunLock(link)):
        with pytest.raises(OSError, match="link"):
            write()
    atomic.write_atomic(link, "ours")
    assert (link.read_text(), link.is_symlink(), target.read_text()) == ("ours", False, "precious")


@given(st.one_of(st.text(), st.text("./\\\0 a\n", max_size=12), st.text("\u00e9\U0001f431", max_size=300)))
def test_no_name_leaves_its_folder(asked: str) -> None:
    try:
        name = clean_name(asked)
    except InputError:
        return
    folder = Path("/library")
    assert library_file(folder, name, FORMATS["safetensors"]).parent == folder
    assert Path(os.path.normpath(folder / name)).parent == folder
    assert "\0" not in name
    assert len(f"{name}-100000.safetensors".encode()) <= 255
