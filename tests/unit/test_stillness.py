"""A run that learns nothing is told so, once, within 20 steps."""

from __future__ import annotations

from tinv_tui.training.stillness import Stillness


def told(steps: list[tuple[float, float]]) -> dict[int, str]:
    watch = Stillness()
    found = {step: watch.seen(*sizes) for step, sizes in enumerate(steps, start=1)}
    return {step: words[0] for step, words in found.items() if words is not None}


def test_a_gradient_of_zero_is_told_once_and_before_the_vectors_that_therefore_rest() -> None:
    assert told([(0.0, 0.0)] * 50) == {10: "the gradient has been exactly zero for 10 steps"}


def test_vectors_that_do_not_move_are_told_though_there_is_a_gradient() -> None:
    assert told([(0.5, 0.1)] * 5 + [(0.5, 0.0)] * 50) == {15: "the vectors have not moved for 10 steps"}


def test_momentum_that_still_moves_them_hides_no_gradient_of_zero() -> None:
    assert told([(0.5, 0.1)] * 3 + [(0.0, 0.01)] * 12) == {13: "the gradient has been exactly zero for 10 steps"}


def test_a_step_that_learns_starts_the_count_anew() -> None:
    assert told(([(0.0, 0.0)] * 9 + [(0.1, 0.1)]) * 5) == {}
