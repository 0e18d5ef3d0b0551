"""Randomness is a function of seed, purpose, step and sample, and of nothing that happened before."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tinv_tui.training.draws import PictureOrder, Purpose, generator, normal, whole_numbers


def first(*arguments: int) -> int:
    seed, purpose, step, sample = arguments
    return int(generator(seed, Purpose(purpose), step, sample).integers(2**62))


def test_the_same_arguments_give_the_same_numbers() -> None:
    assert first(3, 1, 7, 2) == first(3, 1, 7, 2)


def test_each_seed_purpose_step_and_sample_has_numbers_of_its_own() -> None:
    drawn = [
        first(seed, purpose, step, sample)
        for seed in (0, 1, 2**63 - 1)
        for purpose in Purpose
        for step in (0, 1, 2, 100_000_000)
        for sample in (0, 1, 1023)
    ]
    assert len(set(drawn)) == len(drawn)


def test_the_numbers_of_a_run_are_the_same_on_every_machine() -> None:
    assert [first(1, 1, 1, 0), first(42, 7, 500, 3)] == [701044202917255450, 2724742518905616768]
    noise = normal(1, Purpose.NOISE, 1, range(1), (3,))
    assert noise[0].tolist() == pytest.approx([1.3536276, -0.4242608, -1.5636833], abs=1e-6)


def test_purposes_keep_their_numbers() -> None:
    assert {p.name: p.value for p in Purpose} == {
        "NOISE": 1,
        "TIMESTEP": 2,
        "TEMPLATE": 3,
        "TAGS": 4,
        "FLIP": 5,
        "LATENT": 6,
        "EPOCH_ORDER": 7,
        "ROUND_ORDER": 8,
        "EVALUATION": 9,
        "PREVIEW": 10,
    }


def test_the_noise_of_a_batch_is_that_of_its_micro_batches() -> None:
    whole = normal(5, Purpose.NOISE, 9, range(4), (4, 8, 8))
    halves = [normal(5, Purpose.NOISE, 9, samples, (4, 8, 8)) for samples in (range(2), range(2, 4))]
    assert whole.dtype == np.float32
    assert np.array_equal(whole, np.concatenate(halves))


def test_the_timesteps_of_a_batch_are_those_of_its_micro_batches() -> None:
    whole = whole_numbers(5, Purpose.TIMESTEP, 9, range(4), 1000)
    assert whole.tolist() == [int(whole_numbers(5, Purpose.TIMESTEP, 9, range(s, s + 1), 1000)[0]) for s in range(4)]


def test_noise_is_standard_normal() -> None:
    noise = normal(1, Purpose.NOISE, 1, range(64), (4, 16, 16))
    assert abs(float(noise.mean())) < 0.01
    assert float(noise.std()) == pytest.approx(1, abs=0.01)


def test_timesteps_reach_both_ends_and_no_further() -> None:
    drawn = np.concatenate([whole_numbers(1, Purpose.TIMESTEP, step, range(8), 10) for step in range(200)])
    assert np.bincount(drawn, minlength=10).min() > 100
    assert (drawn.min(), drawn.max()) == (0, 9)


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_every_epoch_holds_every_picture_once(batch: int) -> None:
    order = PictureOrder(3, [5], batch)
    drawn = [place for number in range(5 * 6) for place in order.batch(number)[1]]
    epochs = [drawn[i : i + 5] for i in range(0, len(drawn), 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_batch_larger_than_the_set_repeats_pictures() -> None:
    bucket, places = PictureOrder(3, [2], 5).batch(0)
    assert bucket == 0
    assert sorted(Counter(places).values()) == [2, 3]


@pytest.mark.parametrize("counts", [[5], [7, 3], [1, 1, 4]])
def test_any_batch_can_be_known_without_the_ones_before(counts: list[int]) -> None:
    walked = PictureOrder(3, counts, 2)
    story = [walked.batch(number) for number in range(60)]
    assert [PictureOrder(3, counts, 2).batch(number) for number in reversed(range(60))] == story[::-1]


def test_another_seed_gives_another_order() -> None:
    one, other = PictureOrder(1, [9], 1), PictureOrder(2, [9], 1)
    assert [one.batch(n) for n in range(9)] != [other.batch(n) for n in range(9)]


def test_a_bucket_is_chosen_as_often_as_its_share_of_the_pictures_asks() -> None:
    order = PictureOrder(3, [7, 3], 4)
    for round_ in range(5):
        chosen = Counter(order.batch(round_ * 10 + number)[0] for number in range(10))
        assert chosen == {0: 7, 1: 3}


def test_within_each_bucket_every_picture_comes_equally_often() -> None:
    order, seen = PictureOrder(3, [3, 2], 4), Counter[tuple[int, int]]()
    for number in range(5 * 6):
        bucket, places = order.batch(number)
        seen.update((bucket, place) for place in places)
    assert set(seen.values()) == {24}
