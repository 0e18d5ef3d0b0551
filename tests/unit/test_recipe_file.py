"""Recipe files and ``--set``: read, changed, written, and their paths made whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.recipe_file import apply_override, load_recipe, resolve_paths, to_toml


def write(folder: Path, text: str) -> Path:
    path = folder / "cat.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_section_by_section(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, '[embedding]\nname = "Kätzchen"\n[preview]\nprompts = ["a", "b"]\n'))
    assert (recipe.embedding.name, recipe.preview.prompts, recipe.training.steps) == ("Kätzchen", ("a", "b"), 100000)


@pytest.mark.parametrize("content", [b"[model", b"\xff\xfe\x00", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cat.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cat\.toml"):
        load_recipe(path)


def test_a_mark_that_windows_editors_put_in_front_is_no_part_of_it(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, '\ufeff[embedding]\nname = "cat"\n')).embedding.name == "cat"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe at .*cat\.toml"):
        load_recipe(tmp_path / "cat.toml")
    with pytest.raises(InputError, match=tmp_path.name):
        load_recipe(tmp_path)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("embedding.init_text=ginger cat", "embedding.init_text", "ginger cat"),
        ('embedding.init_text="quoted"', "embedding.init_text", '"quoted"'),
        ("embedding.init_text=", "embedding.init_text", ""),
        ("training.learning_rate=0.005:5, 0.001", "training.learning_rate", "0.005:5, 0.001"),
        ("preview.negative=x = y", "preview.negative", "x = y"),
        ("training.clip=norm", "training.clip", "norm"),
        ("training.steps=1_000", "training.steps", 1000),
        ("dataset.flip= true", "dataset.flip", True),
        ("dataset.drop_out_tags=0.25", "dataset.drop_out_tags", 0.25),
        ('preview.prompts=["a [name]", "b"]', "preview.prompts", ("a [name]", "b")),
    ],
)
def test_set_takes_raw_text_for_text_and_toml_for_the_rest(tmp_path: Path, override: str, key: str, value: Any) -> None:
    recipe = load_recipe(write(tmp_path, "[training]\nsteps = 7\n"), [override])
    section, _, name = key.partition(".")
    assert getattr(getattr(recipe, section), name) == value


@pytest.mark.parametrize("bytes_given", [b"/tmp/caf\xe9", b"a\0b"])
@pytest.mark.parametrize("key", ["saving.log_directory", "dataset.path", "embedding.init_text", "preview.prompts"])
def test_bytes_that_are_no_text_are_an_error_at_their_key(key: str, bytes_given: bytes) -> None:
    section, _, name = key.partition(".")
    text = os.fsdecode(bytes_given)
    with pytest.raises(InputError, match=key) as caught:
        make_recipe({section: {name: ["a", text] if key == "preview.prompts" else text}})
    assert caught.value.code == "recipe-text"


def test_set_wins_over_the_file_and_the_last_set_over_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, "[training]\nsteps = 7\nbatch_size = 2\n")
    recipe = load_recipe(path, ["training.steps=8", "training.steps=9"])
    assert (recipe.training.steps, recipe.training.batch_size) == (9, 2)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.steps", "there is no '='"),
        ("training.step=5", "Did you mean training.steps"),
        ("training.steps=many", "a whole number"),
        ("training.steps=", "a whole number"),
        ("training.steps='5'", "a whole number"),
        ("dataset.flip=True", "true or false"),
        ("preview.prompts=a cat", "a list"),
    ],
)
def test_a_bad_set_says_what_is_wanted(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, ""), [override])
    assert said in str(caught.value)


def test_a_written_recipe_reads_back_the_same(tmp_path: Path) -> None:
    values = {
        "model": {"path": "models/sd 1.5", "clip_skip": 2},
        "embedding": {"name": "Kätzchen-2", "init_text": 'a "quoted" \\ text\nof\ttwo lines # 5', "vectors": 75},
        "dataset": {"drop_out_tags": 1e-7, "flip": True},
        "training": {"seed": 2**63 - 1, "learning_rate": "5e-3:10, 0.001"},
        "preview": {"prompts": ["日本語", "it's '''three'''", ""], "cfg": 1},
    }
    recipe = make_recipe(values)
    assert load_recipe(write(tmp_path, to_toml(recipe))) == recipe


def resolved(folder: Path, **values: dict[str, Any]) -> Recipe:
    return resolve_paths(make_recipe(values), folder)


def test_relative_paths_start_at_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "my model").mkdir()
    (tmp_path / "lines.txt").write_text("[name]\n")
    recipe = resolved(
        tmp_path,
        model={"path": "my model", "vae": "vaes/a"},
        embedding={"continue_from": "./old.safetensors"},
        dataset={"path": "../cats", "template": "lines.txt"},
        saving={"log_directory": "logs"},
    )
    assert recipe.model.path == str(tmp_path / "my model")
    assert recipe.model.vae == str(tmp_path / "vaes" / "a")
    assert recipe.embedding.continue_from == str(tmp_path / "old.safetensors")
    assert recipe.dataset.path == str(tmp_path.parent / "cats")
    assert recipe.dataset.template == str(tmp_path / "lines.txt")
    assert recipe.saving.log_directory == str(tmp_path / "logs")


def test_a_tilde_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    recipe = resolved(tmp_path / "elsewhere", model={"path": "~/sd"}, dataset={"path": "~/cats"})
    assert (recipe.model.path, recipe.dataset.path) == (str(tmp_path / "sd"), str(tmp_path / "cats"))


def test_the_home_of_nobody_is_a_path_like_any_other(tmp_path: Path) -> None:
    assert resolved(tmp_path, dataset={"path": "~nobody-here/cats"}).dataset.path.endswith("~nobody-here/cats")


def test_a_hub_id_and_empty_paths_stay_as_they_are(tmp_path: Path) -> None:
    recipe = resolved(tmp_path, model={"path": "someone/sd-v1-5"})
    assert (recipe.model.path, recipe.model.vae, recipe.dataset.path) == ("someone/sd-v1-5", "", "")
    assert recipe.saving.log_directory == ""


def test_known_names_stay_names_whatever_lies_beside_the_recipe(tmp_path: Path) -> None:
    for name in ("bundled", "style", "my-cat"):
        (tmp_path / name).mkdir()
    recipe = resolved(
        tmp_path, model={"path": "bundled"}, dataset={"template": "style"}, embedding={"continue_from": "my-cat"}
    )
    assert (recipe.model.path, recipe.dataset.template, recipe.embedding.continue_from) == (
        "bundled",
        "style",
        "my-cat",
    )


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 5000 + "]" * 5000,
        "[training]\nsteps = " + "[" * 300 + "]" * 300,
        "[model]\npath = " + "{a = " * 5000 + "1" + "}" * 5000,
        "[model.path" + ".a" * 5000 + "]\nb = 1",
        "[model]\npath" + ".a" * 5000 + " = 1",
    ],
    ids=["lists", "fewer lists", "tables", "a name of tables", "a dotted key"],
)
def test_a_recipe_nested_without_end_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(InputError, match="nested too deep") as caught:
        load_recipe(tmp_path / "recipe.toml")
    assert caught.value.code == "recipe-unreadable"


def test_a_setting_nested_without_end_is_refused() -> None:
    with pytest.raises(InputError, match="steps"):
        apply_override({}, "training.steps=" + "[" * 5000)
