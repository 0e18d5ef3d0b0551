"""What a form says other than the newest run, and what earlier runs had in a field."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.support import past_run, recipe
from tinv_tui import paths
from tinv_tui.app.choices import offers_for
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import texts_of
from tinv_tui.app.last_run import SinceLastRun, since_last_run
from tinv_tui.app.offer import FROM_PICTURE, Offer
from tinv_tui.app.screens.changed import change_line
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.left_open import note_what_was_open, settled_by_the_run


def since(form: Recipe, beside: Path) -> SinceLastRun:
    found = since_last_run(texts_of(form, FIELDS), form, beside)
    assert found is not None
    return found


def test_there_is_nothing_to_tell_before_the_first_run(tmp_path: Path) -> None:
    assert since_last_run(texts_of(Recipe(), FIELDS), Recipe(), tmp_path) is None


def test_what_the_run_settled_by_itself_is_no_change(tmp_path: Path) -> None:
    asked = recipe(tmp_path / "pictures", training__seed=-1)
    values = asked.model_dump()
    values["dataset"] |= {"width": 64, "height": 64}
    values["training"]["seed"] = 77
    values["embedding"]["name"] = "zork-2"
    run = past_run(make_recipe(values), paths.home())
    note_what_was_open(run, settled_by_the_run(asked, make_recipe(values)))
    values = asked.model_dump()
    values["dataset"]["path"] = "pictures"
    found = since(make_recipe(values), tmp_path)
    assert (found.name, found.changes, found.in_words) == ("zork-2", (), "as the last run")


def test_what_the_run_was_told_is_a_change_where_it_is_open_now(tmp_path: Path) -> None:
    past_run(recipe(tmp_path, training__seed=77, dataset__width=64), paths.home())
    found = since(recipe(tmp_path, training__seed=-1), tmp_path)
    assert [(c.label, c.old, c.new) for c in found.changes] == [
        ("Size", "64", "own"),
        ("Seed", "77", "random"),
    ]


def test_changes_are_told_in_the_words_of_the_form(tmp_path: Path) -> None:
    past_run(recipe(tmp_path, training__minutes=30.0, dataset__latent_sampling="random"), paths.home())
    found = since(recipe(tmp_path, embedding__name="blurf", dataset__flip=True), tmp_path)
    assert [(c.label, c.old, c.new) for c in found.changes] == [
        ("Embedding", "zork", "blurf"),
        ("Sampling", "random", "mean"),
        ("mirror at random", "no", "yes"),
        ("Minutes", "30", "any"),
    ]
    assert found.in_words == "4 fields changed since last run"


@pytest.mark.parametrize("width", [40, 62])
def test_a_line_keeps_to_its_width_and_shows_the_ends_of_paths(tmp_path: Path, width: int) -> None:
    past_run(recipe(Path("/data", "long" * 20) / "cats"), paths.home())
    (change,) = since(recipe(Path("/data", "long" * 20) / "dogs"), tmp_path).changes
    line = "".join(text for text, _ in change_line(change, width))
    assert len(line) <= width
    assert "cats → " in line
    assert line.endswith("dogs")


def test_earlier_values_are_offered_newest_first_and_once_and_paths_only_while_they_are_there(tmp_path: Path) -> None:
    for number, rate in enumerate(("0.1", "0.002", "0.002"), start=1):
        wanted = recipe(tmp_path / f"set-{number}", training__learning_rate=rate, embedding__name=f"e{number}")
        past_run(wanted, paths.home())
    (tmp_path / "set-2").mkdir()
    assert {offer.value for offer in offers_for("training.learning_rate", {})} == {"0.1", "0.002"}
    assert Offer(str(tmp_path / "set-2"), "used by e2") in offers_for("dataset.path", {})
    assert str(tmp_path / "set-1") not in {offer.value for offer in offers_for("dataset.path", {})}
    assert [offer.value for offer in offers_for("preview.prompts", {})] == [FROM_PICTURE]
    assert offers_for("training.minutes", {}) == []  # no limit is what an empty field says
