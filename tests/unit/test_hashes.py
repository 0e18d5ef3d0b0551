"""Model hashes: SHA-256's first ten digits, kept by path, size and time; what others know already is not read again."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from tests.hub import bundled_files, put_in_cache
from tinv_tui import paths, settings
from tinv_tui.models import bundled
from tinv_tui.models.file_facts import stamp_of
from tinv_tui.models.hashes import HashInBackground, HashingStopped, hashed_bytes, known_hash, model_hash

CONTENT = b"weights" * 1_000_000  # two chunks
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:10]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sd.safetensors"
    path.write_bytes(CONTENT)
    return path


def touch(path: Path, ns: int = 10**18) -> None:
    os.utime(path, ns=(ns, ns))


def test_a_file_is_hashed_as_a1111_does_with_progress_and_the_hash_is_kept(file: Path) -> None:
    told: list[tuple[int, int]] = []
    assert known_hash(file) is None
    assert model_hash(file, lambda done, total: told.append((done, total))) == DIGITS
    assert (told[-1], len(told)) == ((len(CONTENT), len(CONTENT)), 2)
    told.clear()
    assert known_hash(file) == model_hash(file, lambda done, total: told.append((done, total))) == DIGITS
    assert told == []


def test_a_folder_has_the_hash_of_its_unets_weights(tmp_path: Path) -> None:
    unet = bundled.FOLDER / "unet" / "diffusion_pytorch_model.safetensors"
    assert model_hash(bundled.FOLDER) == hashlib.sha256(unet.read_bytes()).hexdigest()[:10]
    (tmp_path / "unet").mkdir()
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for number, name in ((2, names[1]), (1, names[0])):
        (tmp_path / "unet" / name).write_bytes(b"%d" % number)
    index = {"weight_map": {"b": names[1], "a": names[0]}}
    (tmp_path / "unet" / "model.safetensors.index.json").write_text(json.dumps(index))
    assert model_hash(tmp_path) == hashlib.sha256(b"12").hexdigest()[:10]
    assert hashed_bytes(tmp_path) == 2


@pytest.mark.parametrize("change", ["content", "time"])
def test_a_file_that_has_changed_is_hashed_again(file: Path, change: str) -> None:
    model_hash(file)
    if change == "content":
        file.write_bytes(b"other")
    touch(file)
    assert known_hash(file) is None
    assert model_hash(file) == hashlib.sha256(file.read_bytes()).hexdigest()[:10]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"PATH": 3}', '{"PATH": {"stamp": 1}}', '{"PATH": {"stamp": STAMP, "fact": "x"}}']
)
def test_a_broken_cache_is_as_good_as_none_and_is_mended(file: Path, content: str) -> None:
    cache = paths.home() / "cache" / "hashes.json"
    cache.parent.mkdir(parents=True)
    stamp = json.dumps(stamp_of([file]))
    cache.write_text(content.replace("PATH", str(file)).replace("STAMP", stamp))
    assert known_hash(file) is None
    assert model_hash(file) == known_hash(file) == DIGITS
    assert json.loads(cache.read_text())


def test_a_link_and_its_file_have_one_entry(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link.safetensors").symlink_to(file)
    model_hash(file)
    assert known_hash(tmp_path / "link.safetensors") == DIGITS


def test_it_stops_when_told_to_and_keeps_nothing(file: Path) -> None:
    with pytest.raises(HashingStopped):
        model_hash(file, interrupted=lambda: True)
    assert known_hash(file) is None


def a1111(tmp_path: Path, entry: dict[str, object]) -> Path:
    root = tmp_path / "webui"
    model = root / "models" / "Stable-diffusion" / "anime" / "sd.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(CONTENT)
    touch(model)
    (root / "cache.json").write_text(json.dumps({"hashes": {"checkpoint/anime/sd.safetensors": entry}}))
    settings.add_folder(root)
    return model


def test_what_a1111_knows_is_taken_from_it(tmp_path: Path) -> None:
    model = a1111(tmp_path, {"mtime": 1e9, "sha256": "ab" * 32})
    assert known_hash(model) == "ababababab"
    touch(model, 10**18 + 10**9)
    assert known_hash(model) is None  # the file is newer than what A1111 knows


@pytest.mark.parametrize("entry", [{}, {"mtime": "x", "sha256": 3}, {"mtime": 1e9, "sha256": None}])
def test_what_a1111_knows_may_be_nonsense(tmp_path: Path, entry: dict[str, object]) -> None:
    assert model_hash(a1111(tmp_path, entry)) == DIGITS


def test_a_model_of_the_hub_is_called_by_its_hash_already(tmp_path: Path) -> None:
    folder = put_in_cache(tmp_path, "someone/sd", bundled_files())
    assert known_hash(folder) == model_hash(bundled.FOLDER)


def test_in_the_background_a_file_that_is_gone_is_no_error(file: Path, tmp_path: Path) -> None:
    assert HashInBackground(file).result() == DIGITS
    assert HashInBackground(tmp_path / "none").result() is None
