"""What an embedding tells of how it was made gives no folder of its maker away."""

from __future__ import annotations

from pathlib import Path

from tinv_tui.errors import InputError
from tinv_tui.recipe import all_keys, make_recipe
from tinv_tui.recipe_file import resolve_paths
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.provenance import history_of

HOME = Path("/home/somebody/pictures of mine")
NOTHING = FrozenDataset((), (), {}, ())


def test_of_every_setting_that_is_a_path_only_the_name_is_told() -> None:
    paths = []
    for key in all_keys():
        section, _, name = key.partition(".")
        try:
            recipe = resolve_paths(make_recipe({section: {name: "./secret/thing.safetensors"}}), HOME)
        except InputError:  # takes no such text
            continue
        if str(HOME) in str(recipe):
            paths.append(key)
        told = history_of(recipe, NOTHING, None, None)["recipe"]
        assert "somebody" not in str(told), key
    assert {"model.path", "dataset.path", "preview.tiny_vae", "saving.log_directory"} <= set(paths)


def test_whole_paths_are_told_where_the_recipe_says_so() -> None:
    values = {"dataset": {"path": "cats"}, "saving": {"private_paths": True}}
    told = history_of(resolve_paths(make_recipe(values), HOME), NOTHING, None, None)["recipe"]
    assert told["dataset"]["path"] == str(HOME / "cats")
