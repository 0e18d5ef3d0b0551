"""The library and the further folders of embeddings, such as A1111's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tinv_tui import paths, settings
from tinv_tui.app.choices import offers_for
from tinv_tui.cli.embeddings import embeddings
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.embeddings.shelves import read_shelves


def put(folder: Path, name: str, step: int = 5) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    write_embedding(path, Embedding(name, {"emb_params": np.ones((2, 64), np.float32)}, step))
    return path


@pytest.fixture
def webui(tmp_path: Path) -> Path:
    """An A1111 folder with embeddings at two depths, a note among them, and a link that leads back."""
    root = tmp_path / "webui"
    (root / "models" / "Stable-diffusion").mkdir(parents=True)
    put(root / "embeddings", "dog")
    put(root / "embeddings" / "styles", "ink")
    (root / "embeddings" / "Place embeddings here.txt").touch()
    (root / "embeddings" / "styles" / "back").symlink_to(root / "embeddings")
    settings.add_folder(root)
    return root


def test_the_library_comes_first_then_the_other_folders_at_any_depth(webui: Path) -> None:
    put(paths.embeddings_folder(), "zebra")
    assert [entry.name for entry in read_shelves()] == ["zebra", "dog", "ink"]


def test_one_of_another_folder_is_gone_on_from_by_its_path(webui: Path) -> None:
    put(paths.embeddings_folder(), "zebra")
    offered = [offer.value for offer in offers_for("embedding.continue_from", {"model.path": "bundled"})]
    assert offered == [
        "zebra",
        *(str(webui / "embeddings" / name) for name in ("dog.safetensors", "styles/ink.safetensors")),
    ]
    assert [offer.value for offer in offers_for("embedding.name", {"model.path": "bundled"})] == ["zebra"]


def test_a_folder_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    put(tmp_path / "mine", "cat")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("mine", "link"):
        settings.add_folder(tmp_path / name)
    assert [entry.name for entry in read_shelves()] == ["cat"]


def test_the_command_lists_them_below_their_folders(webui: Path) -> None:
    put(paths.embeddings_folder(), "zebra")
    listed = json.loads(CliRunner().invoke(embeddings, ["--json"]).stdout)["embeddings"]
    assert [Path(entry["path"]).parent for entry in listed] == [
        paths.embeddings_folder(),
        webui / "embeddings",
        webui / "embeddings" / "styles",
    ]
    lines = CliRunner().invoke(embeddings, []).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        "zebra",
        f"{webui}/embeddings:",
        "dog",
        f"{webui}/embeddings/styles:",
        "ink",
    ]


def test_wrong_settings_are_an_error_on_the_command_line_and_hide_nothing_in_a_form(webui: Path) -> None:
    put(paths.embeddings_folder(), "zebra")
    settings.settings_file().write_text("[folders]\nembedding = []\n")
    done = CliRunner().invoke(embeddings, ["--json"])
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (2, "settings-unknown-key")
    assert [o.value for o in offers_for("embedding.continue_from", {"model.path": ""})] == ["zebra"]
