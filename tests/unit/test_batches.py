"""How pictures become batches, steps and weights, beside what A1111 makes of the same cases.

A1111 lowers the batch to the set and the accumulation to whole batches, drops what is left over of an epoch, and draws the
batches that buckets still owe at random. Here a batch is a batch: buckets are gone through without a gap, each drawn as often
as its share of the pictures asks, and pictures repeat across epochs where a batch is larger than its bucket.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.plan import RunPlan, plan_run
from tinv_tui.training.draws import PictureOrder
from tinv_tui.training.encoding import _cell_weights
from tinv_tui.training.objective import weighted_loss

GOLDEN = [((7, 3), 4), ((1, 9), 2), ((4, 4, 1), 4)]
"""Pictures in each bucket, and the batch: the cases A1111's behaviour is known for."""

golden = pytest.mark.parametrize(("counts", "batch"), GOLDEN)


def drawn(counts: tuple[int, ...], batch: int, batches: int, seed: int = 3) -> list[tuple[int, list[int]]]:
    order = PictureOrder(seed, list(counts), batch)
    return [order.batch(number) for number in range(batches)]


def recipe(**training: Any) -> Recipe:
    return make_recipe({"training": training})


@golden
def test_a_batch_is_never_lowered_and_never_mixes_sizes(counts: tuple[int, ...], batch: int) -> None:
    for bucket, places in drawn(counts, batch, 5 * sum(counts)):
        assert len(places) == batch
        assert set(places) <= set(range(counts[bucket]))


@golden
def test_a_round_draws_each_bucket_as_often_as_it_has_pictures(counts: tuple[int, ...], batch: int) -> None:
    pictures = sum(counts)
    story = drawn(counts, batch, 4 * pictures)
    for start in range(0, len(story), pictures):
        chosen = Counter(bucket for bucket, _ in story[start : start + pictures])
        assert tuple(chosen[bucket] for bucket in range(len(counts))) == counts


@golden
def test_no_picture_is_dropped_and_none_is_drawn_more_often_than_another(counts: tuple[int, ...], batch: int) -> None:
    seen = Counter((bucket, place) for bucket, places in drawn(counts, batch, sum(counts)) for place in places)
    assert len(seen) == sum(counts)
    assert set(seen.values()) == {batch}


@golden
def test_a_bucket_is_gone_through_whole_before_a_picture_comes_again(counts: tuple[int, ...], batch: int) -> None:
    story = drawn(counts, batch, 3 * sum(counts))
    for bucket, count in enumerate(counts):
        places = [place for of, batch_places in story if of == bucket for place in batch_places]
        epochs = [places[at : at + count] for at in range(0, len(places) - count + 1, count)]
        assert epochs
        assert all(sorted(epoch) == list(range(count)) for epoch in epochs)


@pytest.mark.parametrize(("counts", "batch", "steps"), [((7, 3), 4, 2), ((1, 9), 2, 5), ((4, 4, 1), 4, 2)])
def test_an_epoch_has_as_many_steps_as_a1111_means_and_no_more(counts: tuple[int, ...], batch: int, steps: int) -> None:
    assert recipe(batch_size=batch).steps_per_epoch(sum(counts)) == steps


def test_what_an_epoch_leaves_over_comes_first_in_the_next_batch() -> None:
    places = [place for _, batch in drawn((5,), 2, 5) for place in batch]
    assert sorted(places[:5]) == sorted(places[5:]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("batch", "accumulation"), [(4, 1), (2, 3), (8, 8)])
def test_a_step_has_batch_times_accumulation_pictures_however_few_there_are(batch: int, accumulation: int) -> None:
    story = drawn((3,), batch, accumulation)
    assert (
        sum(len(places) for _, places in story)
        == recipe(batch_size=batch, gradient_accumulation=accumulation).samples_per_step
    )


# ----- it is said


@pytest.fixture
def plan(tmp_path: Path) -> Any:
    for number, size in enumerate([(64, 64)] * 5 + [(128, 64)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")

    def make(**training: Any) -> RunPlan:
        values = {
            "model": {"path": "bundled"},
            "embedding": {"name": "zork"},
            "dataset": {"path": str(tmp_path), "template": "subject"},
            "training": training,
        }
        return plan_run(make_recipe(values), tmp_path)

    return make


def test_a_batch_larger_than_a_bucket_is_said_once_and_kept(plan: Any) -> None:
    made = plan(batch_size=4)
    assert [message for code, message in made.warnings if code == "batch-large"] == [
        "a batch of 4 is drawn from 1 picture of one size: some come up twice in it"
    ]
    assert made.recipe.training.batch_size == 4


def test_an_accumulation_larger_than_the_set_is_said_once_and_kept(plan: Any) -> None:
    made = plan(gradient_accumulation=7)
    assert [code for code, _ in made.warnings].count("step-large") == 1
    assert made.recipe.training.gradient_accumulation == 7


# ----- opacity as weight


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_an_even_opacity_weighs_1_everywhere(alpha: float) -> None:
    weight = _cell_weights(np.full((64, 48), alpha, dtype=np.float32), (8, 6))
    assert torch.equal(weight, torch.ones(1, 8, 6))


def test_an_uneven_opacity_weighs_1_on_the_mean_and_nothing_where_it_is_clear() -> None:
    alpha = np.ones((64, 48), dtype=np.float32)
    alpha[:32] = 0
    weight = _cell_weights(alpha, (8, 6))
    assert float(weight.mean()) == pytest.approx(1)
    assert float(weight[:, :4].max()) == 0
    assert float(weight[:, 4:].min()) == pytest.approx(2)


def test_the_loss_of_a_clear_half_is_that_of_the_other_half() -> None:
    chance = torch.Generator().manual_seed(0)
    predicted, target = (torch.randn(1, 4, 8, 6, generator=chance) for _ in range(2))
    weight = torch.zeros(1, 1, 8, 6)
    weight[..., 4:, :] = 2
    expected = ((predicted - target) ** 2)[..., 4:, :].mean()
    assert float(weighted_loss(predicted, target, weight)) == pytest.approx(float(expected), rel=1e-5)
