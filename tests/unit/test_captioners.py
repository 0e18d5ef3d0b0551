"""Captioners: real loading and real pre- and post-processing, on tiny models with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.captioners import save_blip, save_deepdanbooru, save_wd
from tinv_tui.datasets import tagger as tagging
from tinv_tui.datasets.blip import BlipCaptioner
from tinv_tui.datasets.captioner_models import default_captioner, presence, require, suggestion
from tinv_tui.datasets.tagger import TagChoice, Tagger
from tinv_tui.errors import InputError

RED = Image.new("RGB", (64, 32), (255, 0, 0))


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def cached(tmp_path: Path, hub_id: str) -> Path:
    """Where the Hub's cache keeps the files of a hub id."""
    repository = tmp_path / "hub" / f"models--{hub_id.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    return repository / "snapshots" / "abc123"


def test_blip_says_words_of_its_vocabulary_and_always_the_same(tmp_path: Path) -> None:
    captioner = BlipCaptioner(save_blip(tmp_path / "blip"), min_length=6, max_length=10)
    said = captioner.caption(RED)
    assert said == captioner.caption(RED)
    assert 1 <= len(said.split()) <= 10
    assert "[" not in said


def test_blip_loads_the_older_files_too(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = save_blip(tmp_path / "blip")
    said = BlipCaptioner(folder, min_length=6, max_length=10).caption(RED)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    (folder / "tokenizer.json").unlink()
    assert BlipCaptioner(require("blip", str(folder)), min_length=6, max_length=10).caption(RED) == said


def test_a_folder_that_is_no_blip_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = save_blip(tmp_path / "blip")
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="cannot be loaded as a BLIP captioner"):
        BlipCaptioner(folder)


def test_deepdanbooru_tags_are_sorted_without_ratings_and_with_spaces(tmp_path: Path) -> None:
    tagger = Tagger(save_deepdanbooru(tmp_path / "dd"))
    assert tagger.caption(Image.new("RGB", (30, 30))) == "long hair, o_o, smile"
    assert tagger.caption(RED) == "1girl, long hair, o_o, smile"


def test_wd_tags_leave_out_ratings_and_ask_more_of_characters(tmp_path: Path) -> None:
    folder = save_wd(tmp_path / "wd")
    assert Tagger(folder).caption(RED) == ">_<, hatsune miku, long hair"
    assert Tagger(folder, TagChoice(character_threshold=0.9)).caption(RED) == ">_<, long hair"
    assert Tagger(folder, TagChoice(threshold=0.25)).caption(RED) == ">_<, blue sky, hatsune miku, long hair"


def test_tags_can_be_ordered_by_score_keep_underscores_and_be_filtered(tmp_path: Path) -> None:
    folder = save_wd(tmp_path / "wd")
    assert Tagger(folder, TagChoice(order="score", spaces=False)).caption(RED) == "hatsune_miku, >_<, long_hair"
    assert Tagger(folder, TagChoice(left_out=frozenset({"long hair"}))).caption(RED) == ">_<, hatsune miku"


def test_a_wd_tagger_sees_blue_first_and_the_picture_on_a_white_square() -> None:
    seen = tagging._on_white(RED, 448)
    assert (seen.shape, seen.dtype) == ((448, 448, 3), np.float32)
    assert seen[224, 224].tolist() == [0, 0, 255]
    assert seen[10, 224].tolist() == [255, 255, 255]
    assert seen.flags.c_contiguous


def test_deepdanbooru_sees_the_whole_picture_with_its_edges_drawn_out() -> None:
    picture = Image.new("RGB", (64, 32), (0, 0, 255))
    picture.paste((255, 0, 0), (0, 0, 64, 16))
    seen = tagging._letterboxed(picture, 512)
    assert seen.shape == (512, 512, 3)
    assert seen[0, 256].tolist() == [1, 0, 0]
    assert seen[511, 256].tolist() == [0, 0, 1]


def test_a_list_of_tags_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    tagger = Tagger(save_deepdanbooru(tmp_path / "dd", tags=["one", "two"]))
    with pytest.raises(InputError, match="knows 5 tags, and its list has 2"):
        tagger.caption(RED)


def test_a_broken_onnx_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = save_wd(tmp_path / "wd")
    (folder / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"model\.onnx cannot be loaded"):
        Tagger(folder)


def test_what_is_absent_is_named_with_the_command_that_fetches_it() -> None:
    with pytest.raises(InputError) as caught:
        require("blip")
    assert caught.value.code == "captioner-missing"
    assert "hf download Salesforce/blip-image-captioning-base" in caught.value.hint
    assert presence("wd-vit").command == "hf download SmilingWolf/wd-vit-tagger-v3 model.onnx selected_tags.csv"
    assert presence("deepdanbooru").command == "hf download chinoll/deepdanbooru deepdanbooru.onnx tags.txt"


def test_a_model_is_found_in_the_hubs_cache_in_tinv_home_or_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blip = save_blip(cached(tmp_path, "Salesforce/blip-image-captioning-base"))
    assert require("blip") == blip
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "own"))
    tagger = save_wd(tmp_path / "own" / "models" / "wd-vit-tagger-v3")
    assert require("wd-vit") == tagger
    assert require("tags", str(tagger)) == tagger
    assert presence("tags", "SmilingWolf/wd-vit-tagger-v3").folder == tagger


def test_a_model_fetched_in_part_is_not_there(tmp_path: Path) -> None:
    folder = save_blip(cached(tmp_path, "Salesforce/blip-image-captioning-base"))
    (folder / "model.safetensors").unlink()
    assert presence("blip").folder is None
    wd = save_wd(tmp_path / "wd")
    (wd / "selected_tags.csv").unlink()
    with pytest.raises(InputError, match="no folder with an ONNX model and its tags"):
        require("tags", str(wd))


@pytest.mark.parametrize(
    ("base_model", "kind"),
    [
        ("hakurei/waifu-diffusion", "tags"),
        ("/models/wd-1-5-beta.safetensors", "tags"),
        ("animagine-xl-3.1", "tags"),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", "blip"),
        ("bundled", "blip"),
        ("", "blip"),
    ],
)
def test_the_base_models_name_suggests_sentences_or_tags(base_model: str, kind: str) -> None:
    assert suggestion(base_model) == kind
    assert default_captioner(base_model).captioner == kind


def test_without_the_captioner_that_suits_one_that_is_there_is_taken(tmp_path: Path) -> None:
    save_wd(cached(tmp_path, "SmilingWolf/wd-swinv2-tagger-v3"))
    assert default_captioner("sd-v1-5").model == "SmilingWolf/wd-swinv2-tagger-v3"
    save_blip(cached(tmp_path, "Salesforce/blip-image-captioning-base"))
    assert default_captioner("sd-v1-5").captioner == "blip"
    assert default_captioner("waifu-diffusion").captioner == "tags"
