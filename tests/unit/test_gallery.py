"""Which previews belong together, and which is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tinv_tui.app.gallery import Gallery
from tinv_tui.runs.history import Preview


def previews(*told: tuple[int, str, int]) -> tuple[Preview, ...]:
    return tuple(
        Preview(step, Path(f"/r/{number}.png"), prompt, seed) for number, (step, prompt, seed) in enumerate(told)
    )


def test_a_series_is_of_one_prompt_and_one_seed() -> None:
    gallery = Gallery(previews((1, "a", 42), (1, "b", 42), (2, "a", 42), (2, "a", 7), (3, "a", 42)))
    assert [(p.step, p.seed) for p in gallery.series] == [(1, 42), (2, 42), (3, 42)]
    assert gallery.at == 2


def test_where_each_has_a_seed_of_its_own_the_series_is_all_of_the_prompt() -> None:
    gallery = Gallery(previews((1, "a", 1), (2, "a", 2), (2, "b", 2)), chosen=Path("/r/0.png"))
    assert [p.step for p in gallery.series] == [1, 2]


def test_where_each_step_draws_a_prompt_of_its_own_the_series_is_all_of_them() -> None:
    gallery = Gallery(previews((100, "a", 7), (200, "b", 7), (300, "a", 7), (400, "c", 7)))
    assert [p.step for p in gallery.series] == [100, 200, 300, 400]
    assert [gallery.moved(-1).title, gallery.moved(-1).moved(-1).title] == ["step 300", "step 200"]
    one_by_hand = Gallery(previews((100, "a", 7), (200, "a", 7), (230, "by hand", 7), (300, "a", 7)))
    assert [p.step for p in one_by_hand.series] == [100, 200, 300]
    several_a_step = Gallery(previews((100, "a", 7), (100, "b", 7)))
    assert [p.prompt for p in several_a_step.series] == ["b"]


def test_what_was_chosen_stays_when_another_comes_and_the_newest_is_followed() -> None:
    one, two = previews((1, "a", 1), (2, "a", 1)), previews((1, "a", 1), (2, "a", 1), (3, "a", 1))
    earlier = Gallery(one).moved(-1)
    assert Gallery(two, chosen=earlier.chosen).title == "step 1"
    assert Gallery(two, chosen=earlier.moved(1).chosen).title == "step 3"
    assert earlier.moved(-1) == earlier


def test_what_was_asked_for_last_stands_beside_the_preview_and_the_mark_comes_back() -> None:
    original = Path("/set/001.png")
    held = Gallery(previews((1, "a", 1), (2, "a", 1))).with_mark().moved(-1)
    assert (held.title, held.beside) == ("B step 1", ("A step 2", Path("/r/1.png")))
    beside_the_dataset = replace(held, originals=(original,))
    assert (beside_the_dataset.title, beside_the_dataset.beside) == ("step 1", ("001.png of the dataset", original))
    assert replace(beside_the_dataset, originals=()) == held
    marked_anew = beside_the_dataset.with_mark().moved(1)
    assert marked_anew.beside == ("A step 1", Path("/r/0.png"))
