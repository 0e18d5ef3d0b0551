"""The base models of this machine: every folder and file of the folders that were named, or the reason against it."""

from __future__ import annotations

import json
import os
import time
import zipfile
from pathlib import Path

import pytest

from tests.checkpoints import write_header_only
from tests.hub import bundled_files, put_in_cache
from tests.model_files import state_of
from tests.unit.test_families import SD15, SD21, make_model
from tests.unit.test_hostile_files import ENCODED
from tinv_tui import paths, settings
from tinv_tui.models import browse, bundled, torch_file
from tinv_tui.models.browse import list_models
from tinv_tui.models.families import SD2
from tinv_tui.models.hashes import model_hash


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def own() -> Path:
    folder = paths.home() / "models"
    folder.mkdir(parents=True)
    return folder


def names(*folders: Path) -> list[str]:
    return [entry.name for entry in list_models(folders or None).entries]


def test_without_anything_there_is_the_bundled_model_and_nothing_is_amiss() -> None:
    listing = list_models()
    (entry,) = listing.entries
    assert (entry.value, entry.path, entry.name, entry.family) == ("bundled", bundled.FOLDER, "bundled", "SD 1.x")
    assert (entry.native_size, entry.prediction_type, entry.reason) == (64, "v_prediction", "")
    assert listing.notes == ()


def test_folders_are_listed_at_any_depth_with_what_they_are(own: Path) -> None:
    make_model(own / "anime" / "sd15", SD15)
    make_model(own / "SD21", SD21)
    by_name = {entry.name: entry for entry in list_models().entries}
    assert list(by_name) == ["bundled", "sd15", "SD21"]
    sd21 = by_name["SD21"]
    assert (sd21.value, sd21.family, sd21.native_size) == (str(own / "SD21"), "SD 2.x", 768)
    assert (sd21.prediction_type, sd21.bytes, sd21.hash, sd21.reason) == ("v_prediction", 300, None, "")


def test_what_cannot_be_trained_on_is_listed_with_the_reason_without_its_path(own: Path) -> None:
    make_model(own / "xl", SD15 | {"model_index.json": {"_class_name": "StableDiffusion3Pipeline"}})
    make_model(own / "torn", SD15)
    (own / "torn" / "unet" / "config.json").unlink()
    (own / "style.safetensors").write_bytes(b"x" * 50)
    (own / "old.ckpt").write_bytes(b"")
    by_name = {entry.name: entry for entry in list_models().entries}
    assert by_name["xl"].reason.startswith("is a StableDiffusion3Pipeline model")
    assert "unet/config.json" in by_name["torn"].reason
    assert by_name["style"].reason
    assert by_name["old"].reason
    assert (by_name["style"].family, by_name["style"].bytes) == (None, 50)
    assert not any(entry.reason.startswith(("model.path", str(own / entry.name))) for entry in by_name.values())


def test_the_parts_of_a_model_and_other_files_are_no_models(own: Path) -> None:
    make_model(own / "sd15", SD15)
    (own / "sd15" / "sd15.safetensors").write_bytes(b"x")
    (own / "vae").mkdir()
    (own / "vae" / "config.json").write_text("{}")
    (own / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"x")
    (own / "notes.txt").write_text("x")
    (own / ".cache").mkdir()
    (own / ".cache" / "x.safetensors").write_bytes(b"x")
    assert names() == ["bundled", "sd15"]


def test_links_are_followed_and_a_loop_ends(own: Path, tmp_path: Path) -> None:
    make_model(tmp_path / "disk" / "sd15", SD15)
    (own / "more").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(own)
    (own / "again").symlink_to(tmp_path / "disk" / "sd15")
    (own / "nowhere").symlink_to(tmp_path / "gone")
    (own / "nowhere.safetensors").symlink_to(tmp_path / "gone.safetensors")
    listing = list_models()
    assert [entry.name for entry in listing.entries] == ["bundled", "again"]
    assert listing.notes == ()


def test_other_programs_folders_and_the_hubs_cache_are_looked_through(tmp_path: Path, cache: Path) -> None:
    for program, below in (("webui", "models/Stable-diffusion"), ("comfy", "models/checkpoints")):
        make_model(tmp_path / program / below / f"of-{program}", SD15)
        settings.add_folder(tmp_path / program)
    folder = put_in_cache(cache, "someone/tiny-sd", bundled_files())
    listing = list_models()
    assert [entry.name for entry in listing.entries] == ["bundled", "of-comfy", "of-webui", "someone/tiny-sd"]
    assert (listing.entries[-1].value, listing.entries[-1].path) == ("someone/tiny-sd", folder)
    assert listing.entries[-1].hash == model_hash(bundled.FOLDER)


def test_folders_that_are_asked_for_are_the_only_ones_and_one_that_is_not_there_is_said(
    own: Path, tmp_path: Path
) -> None:
    make_model(own / "sd15", SD15)
    make_model(tmp_path / "other" / "sd21", SD21)
    assert names(tmp_path / "other") == ["sd21"]
    assert names(tmp_path / "other" / "sd21") == ["sd21"]
    assert list_models([tmp_path / "none"]).notes == (f"{tmp_path / 'none'}: it is not there",)


def test_it_is_bounded_and_says_so(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "_MOST_MODELS", 2)
    for name in "abcd":
        make_model(own / name / "sd", SD15)
    listing = list_models()
    assert len(listing.entries) == 1 + 2
    assert [note.rpartition(", ")[2] for note in listing.notes] == ["there is too much here"]


def test_a_known_hash_is_told(own: Path) -> None:
    folder = make_model(own / "sd15", SD15)
    digits = model_hash(folder)
    assert list_models().entries[1].hash == digits


def test_what_a_file_is_is_found_out_once_and_again_when_it_has_changed(own: Path) -> None:
    (own / "style.ckpt").write_bytes(b"x")
    reason = list_models().entries[1].reason
    (cache_file,) = (paths.home() / "cache").glob("models-*.json")
    cache_file.write_text(cache_file.read_text().replace(json.dumps(reason), '"as it was remembered"'))
    assert list_models().entries[1].reason == "as it was remembered"
    (own / "style.ckpt").write_bytes(b"longer")
    assert (list_models().entries[1].reason, list_models().entries[1].bytes) == (reason, 6)
    cache_file.write_text('{"x": 3')
    assert list_models().entries[1].reason == reason


@pytest.mark.parametrize(
    "trouble", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error"), MemoryError()]
)
def test_what_hindered_the_reading_is_not_remembered_of_the_file(
    own: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    (own / "style.ckpt").write_bytes(b"PK\x03\x04")

    def hindered(file: object) -> None:
        raise trouble

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(torch_file, "list_members", hindered)
        hindered_by = list_models().entries[1].reason
    assert "zip directory is missing" in list_models().entries[1].reason
    assert (getattr(trouble, "strerror", None) or "more memory") in hindered_by


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_a_configuration_beside_a_file_is_seen_when_it_comes_changes_or_goes(own: Path, suffix: str) -> None:
    write_header_only(own / "mine.safetensors", state_of(SD2))
    told = []
    for said in (None, "v", "eps", None):
        if said is None:
            (own / f"mine{suffix}").unlink(missing_ok=True)
        else:
            (own / f"mine{suffix}").write_text(f"model:\n  params:\n    parameterization: {said}\n")
        told.append((list_models().entries[1].prediction_type, list_models().entries[1].native_size))
    assert told == [(None, 768), ("v_prediction", 768), ("epsilon", 512), (None, 768)]


def test_two_hundred_large_files_are_listed_in_a_moment_without_being_read(own: Path) -> None:
    make_model(own / "sd15", SD15)
    for number in range(200):
        path = own / f"{number}.ckpt"
        path.touch()
        os.truncate(path, 4_000_000_000)
    began = time.process_time()
    assert len(names()) == 202
    assert time.process_time() - began < 1


def test_one_broken_file_or_link_hides_no_other(own: Path) -> None:
    make_model(own / "good", SD15)
    header = b'{"w":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (own / "deep.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with zipfile.ZipFile(own / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", ENCODED)
    (own / "loop").symlink_to("loop")
    (own / "gone.safetensors").symlink_to("nowhere")
    endless = {"block_out_channels": [128] * 20_000, "latent_channels": 4}
    make_model(own / "endless", SD15 | {"vae/config.json": endless})
    make_model(own / "torn", SD15)
    weights = next((own / "torn" / "unet").glob("*.safetensors"))
    weights.unlink()
    weights.symlink_to("nowhere")
    listing = list_models()
    reasons = {entry.name: entry.reason for entry in listing.entries}
    assert list(reasons) == ["bundled", "bomb", "deep", "endless", "good", "torn"]
    assert "makes more than any model has" in reasons["bomb"]
    assert "nested too deep" in reasons["deep"]
    assert "20000 levels" in reasons["endless"]
    assert reasons["good"] == ""
    assert "No such file" in reasons["torn"]
    assert listing.notes == (f"{own / 'loop'}: Too many levels of symbolic links",)


def test_looking_for_vaes_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "_DEEPEST", 2)
    folder = tmp_path / "comfy" / "models" / "vae"
    for below in (".", "a/b", "a/b/c", ".hidden"):
        (folder / below).mkdir(parents=True, exist_ok=True)
        (folder / below / "one.safetensors").write_bytes(b"")
    (tmp_path / "comfy" / "models" / "checkpoints").mkdir()
    settings.add_folder(tmp_path / "comfy")
    assert browse.list_vaes() == [folder / "one.safetensors", folder / "a" / "b" / "one.safetensors"]
    monkeypatch.setattr(browse, "_MOST_FOLDERS", 1)
    assert browse.list_vaes() == [folder / "one.safetensors"]
