"""Base models by hub id: what is one, where it lies in the Hub's cache, and which files training needs of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hub import bundled_files, put_in_cache
from tinv_tui.errors import InputError
from tinv_tui.models import hub
from tinv_tui.models.identify import identify
from tinv_tui.recipe import make_recipe
from tinv_tui.recipe_file import resolve_paths

ID = "someone/tiny-sd"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (ID, True),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", True),
        ("bundled", False),
        ("a/b/c", False),
        ("./a/b", False),
        ("../b", False),
        ("~/b", False),
        ("/a", False),
        ("a/..", False),
        ("models/sd.safetensors", False),
        ("here/it-is", False),
        ("", False),
    ],
)
def test_a_hub_id_is_owner_and_name_and_no_path_that_is_there(text: str, is_one: bool, tmp_path: Path) -> None:
    (tmp_path / "here" / "it-is").mkdir(parents=True)
    assert hub.is_hub_id(text, tmp_path) == is_one


def test_a_model_in_the_cache_is_told_by_its_id_and_a_recipe_keeps_the_id(cache: Path, tmp_path: Path) -> None:
    folder = put_in_cache(cache, ID, bundled_files())
    model = identify(ID, tmp_path)
    assert (model.name, model.path, model.family.name) == ("tiny-sd", folder, "SD1")
    recipe = make_recipe({"model": {"path": ID}})
    assert resolve_paths(recipe, tmp_path).model.path == ID
    assert hub.cached_models() == [(ID, folder)]


def test_one_that_is_not_there_is_refused_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        identify(ID, tmp_path)
    assert (caught.value.code, ID in caught.value.message) == ("model-not-fetched", True)
    assert f"tinv-tui models --fetch {ID}" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["unet/config.json", "model_index.json", "vae/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json"]
)
def test_one_that_is_not_whole_does_not_count(cache: Path, name: str) -> None:
    folder = put_in_cache(cache, ID, bundled_files())
    assert hub.cached_folder(ID) == folder
    target = (folder / name).resolve()
    if name.startswith("tokenizer"):
        (folder / "tokenizer" / "tokenizer.json").unlink(missing_ok=True)
    target.unlink()  # the link stays: what a cleared cache looks like
    assert hub.cached_folder(ID) is None


def test_of_two_snapshots_that_of_the_main_branch_comes_first_and_a_whole_one_before_a_torn_one(cache: Path) -> None:
    old = put_in_cache(cache, ID, bundled_files(), commit="a" * 40, main=False)
    new = put_in_cache(cache, ID, bundled_files(), commit="b" * 40)
    assert hub.cached_folder(ID) == new
    (new / "unet" / "config.json").unlink()
    assert hub.cached_folder(ID) == old


CONFIGS = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "vae/config.json",
]
OTHERS = [
    ".gitattributes",
    "README.md",
    "v1-5-pruned.ckpt",
    "v1-5-pruned.safetensors",
    "safety_checker/config.json",
    "safety_checker/model.safetensors",
    "feature_extractor/preprocessor_config.json",
    "unet/model.onnx",
    "unet/flax_model.msgpack",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.non_ema.bin",
]
FULL = [
    "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
]
HALF = [name.replace(".safetensors", ".fp16.safetensors") for name in FULL]
PICKLED = [
    "text_encoder/pytorch_model.bin",
    "unet/diffusion_pytorch_model.bin",
    "vae/diffusion_pytorch_model.bin",
]


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (FULL + HALF + PICKLED, HALF),
        (FULL + PICKLED, FULL),
        (PICKLED, PICKLED),
        (FULL[:1] + HALF[1:] + FULL[1:], FULL),
        (FULL[:2] + PICKLED, FULL[:2] + PICKLED[2:]),
    ],
)
def test_one_set_of_weights_is_fetched_half_precision_where_every_part_has_it(
    there: list[str], taken: list[str]
) -> None:
    assert hub.needed_files(CONFIGS + OTHERS + there, ID) == sorted(CONFIGS + taken)


def test_sharded_weights_are_fetched_whole_with_their_index() -> None:
    shards = [f"unet/diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = "unet/diffusion_pytorch_model.safetensors.index.json"
    there = CONFIGS + OTHERS + [FULL[0], FULL[2], *shards, index]
    assert hub.needed_files(there, ID) == sorted(CONFIGS + [FULL[0], FULL[2], *shards, index])
    with pytest.raises(InputError):
        hub.needed_files([name for name in there if name != shards[1]], ID)


@pytest.mark.parametrize(
    ("files", "says"),
    [(OTHERS, "model_index.json"), (CONFIGS, "weights of its text_encoder"), ([], "model_index.json")],
)
def test_a_repository_that_is_no_model_is_refused(files: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        hub.needed_files(files, ID)
    assert says in caught.value.message


def test_a_note_of_the_main_branch_that_is_no_text_is_as_good_as_none(cache: Path) -> None:
    folder = put_in_cache(cache, ID, bundled_files())
    (folder.parent.parent / "refs" / "main").write_bytes(b"\xff\xfe")
    assert hub.cached_folder(ID) == folder
