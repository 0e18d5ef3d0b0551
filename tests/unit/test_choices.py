"""What the form's lists offer of the library: everything, and a reason beside what cannot be taken."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.unit.test_families import SD15, make_model
from tinv_tui import paths, settings
from tinv_tui.app.choices import offers_for
from tinv_tui.app.offer import Offer
from tinv_tui.embeddings.files import Embedding, write_embedding
from tinv_tui.models import bundled


@pytest.fixture(autouse=True)
def shelf() -> Path:
    """One that is trained, one of SD1, a broken file, and one whose file name no embedding's name leads to."""
    folder = paths.embeddings_folder()
    folder.mkdir(parents=True)
    for name, width, step in (("cat.safetensors", 64, 5), ("dog.SAFETENSORS", 64, 7), ("sd1.safetensors", 768, 0)):
        held = Embedding(name.partition(".")[0], {"emb_params": np.ones((2, width), np.float32)}, step)
        write_embedding(folder / name, held)
    (folder / "broken.safetensors").write_text("half a file")
    return folder


def offered(key: str, model: str = "bundled") -> dict[str, Offer]:
    return {offer.value: offer for offer in offers_for(key, {"model.path": model})}


def test_base_models_of_this_machine_are_offered_with_what_they_are_or_a_reason() -> None:
    own = paths.home() / "models"
    sd15 = str(make_model(own / "sd15", SD15))
    (own / "old.ckpt").write_bytes(b"")
    found = offered("model.path")
    assert list(found) == ["bundled", str(own / "old.ckpt"), sd15]
    assert found[sd15] == Offer(sd15, "SD 1.x, native 512 px")
    assert found[str(own / "old.ckpt")].reason


def test_vaes_of_another_program_are_offered(tmp_path: Path) -> None:
    (tmp_path / "webui" / "models" / "Stable-diffusion").mkdir(parents=True)
    folder = tmp_path / "webui" / "models" / "VAE"
    (folder / "kl").mkdir(parents=True)
    for name in ("a.safetensors", "b.vae.pt", "kl/config.json", "kl/model.safetensors", "notes.txt"):
        (folder / name).touch()
    settings.add_folder(tmp_path / "webui")
    assert list(offered("model.vae")) == [str(folder / name) for name in ("a.safetensors", "b.vae.pt", "kl")]


def test_what_does_not_fit_the_base_model_is_offered_with_the_reason() -> None:
    found = offered("embedding.name")
    assert list(found) == ["broken.safetensors", "cat", "dog.SAFETENSORS", "sd1"]
    assert found["cat"] == Offer("cat", "2 vectors, step 5")
    assert found["sd1"].reason == "it is 768 wide; this SD 1.x model takes 64"
    assert found["broken.safetensors"].reason.startswith("is not a readable")


@pytest.mark.parametrize("model", ["", "/not/there"])
def test_without_a_base_model_nothing_is_a_misfit(model: str) -> None:
    assert offered("embedding.name", model)["sd1"] == Offer("sd1", "2 vectors, SD1, step 0")


def test_a_file_that_no_name_finds_can_be_gone_on_from_by_its_path(shelf: Path) -> None:
    assert offered("embedding.name")["dog.SAFETENSORS"].reason
    assert offered("embedding.continue_from")[str(shelf / "dog.SAFETENSORS")].reason == ""
    assert offered("embedding.continue_from")["cat"].reason == ""


def test_base_models_of_the_own_folder_are_offered_and_what_is_none_with_the_reason() -> None:
    folder = paths.models_folder()
    shutil.copytree(bundled.FOLDER, folder / "small")
    write_embedding(folder / "stray.safetensors", Embedding("stray", {"emb_params": np.ones((2, 768), np.float32)}, 0))
    (folder / "pointer.ckpt").write_text("version https://git-lfs.github.com/spec/v1\n")
    (folder / "tagger.onnx").write_text("of no interest here")
    found = offered("model.path")
    assert list(found) == ["bundled", *(str(folder / name) for name in ("pointer.ckpt", "small", "stray.safetensors"))]
    assert found[str(folder / "small")] == Offer(str(folder / "small"), "SD 1.x, native 64 px")
    assert found[str(folder / "stray.safetensors")].reason == "is an embedding"
    assert found[str(folder / "pointer.ckpt")].reason == "is a pointer of git-lfs, not the file itself"
