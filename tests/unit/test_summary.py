"""What a folded form says: the settings one looks for, and of the rest those that are not as usual."""

from __future__ import annotations

from typing import Any

from tinv_tui.app.summary import summary
from tinv_tui.recipe import Recipe, make_recipe


def recipe(**changes: Any) -> Recipe:
    values: dict[str, dict[str, Any]] = {"embedding": {"name": "zork"}, "dataset": {"path": "/data/cat512"}}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        values.setdefault(section, {})[name] = value
    return make_recipe(values)


def told(recipe: Recipe, width: int = 24, height: int = 40) -> list[str]:
    return ["".join(text for text, _ in line) for line in summary(recipe, width, height)]


def test_a_setting_stands_beside_its_label_or_where_it_is_long_below_it_in_the_width_there_is() -> None:
    rows = told(recipe(training__learning_rate="0.005:500, 0.001:1000, 0.0005:20000, 0.0001"))
    assert "Embedding zork" in rows
    at = rows.index("Rate")
    assert rows[at + 1] == "  0.005:500, 0.001:1000,"
    assert rows[at + 2].startswith("  0.0005:20000")
    assert all(len(row) <= 24 for row in rows)


def test_of_what_is_as_usual_only_what_one_looks_for_is_told() -> None:
    assert not any("mirror" in row for row in told(recipe()))
    assert any("mirror" in row for row in told(recipe(dataset__flip=True)))


def test_width_and_height_are_one_size_and_that_of_previews_is_told_where_it_is_another() -> None:
    sizes = {"dataset__width": 512, "dataset__height": 768}
    assert "Size      512×768" in told(recipe(**sizes))
    same = told(recipe(**sizes, preview__width=512, preview__height=768))
    assert not any("Preview size" in row for row in same)
    other = told(recipe(**sizes, preview__width=64, preview__height=64))
    assert "Preview size 64×64" in other
    assert not any(row.startswith("x ") for row in other)


def test_an_interval_of_nothing_is_never() -> None:
    assert "Copy every never" in told(recipe(saving__embedding_every=0))
    assert "Copy every 250" in told(recipe(saving__embedding_every=250))


def test_prompts_are_told_as_words_not_as_a_list() -> None:
    rows = told(recipe(preview__prompts=["one cat", "two"]))
    assert any("one cat; two" in row for row in rows)


def test_where_rows_are_missing_the_last_one_counts_what_is_left_out() -> None:
    whole = told(recipe())
    for height in range(1, len(whole)):
        rows = told(recipe(), height=height)
        assert len(rows) == height or rows[-1].startswith("…")
        assert len(rows) <= height
    settings = len([row for row in whole if not row.startswith("  ")])
    assert told(recipe(), height=3)[-1] == f"… {settings - 2} more"


def test_a_size_of_which_one_side_is_left_to_the_pictures_is_told() -> None:
    assert "Size      own×768" in told(recipe(dataset__height=768))
