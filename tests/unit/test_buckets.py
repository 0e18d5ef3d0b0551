"""The training size of a picture: never squashed unasked, sides on the model's grid, about the target's area."""

from __future__ import annotations

import pytest

from tinv_tui.datasets.buckets import group_by_size, training_size

SHAPES = [(512, 512), (640, 480), (480, 640), (1920, 1080), (1080, 1920), (4000, 3000), (3000, 1000), (7, 9), (1, 1)]


@pytest.mark.parametrize("sizes", ["resize", "crop"])
@pytest.mark.parametrize("picture", SHAPES)
def test_without_buckets_every_picture_has_the_target_size(picture: tuple[int, int], sizes: str) -> None:
    assert training_size(picture, (512, 768), sizes, 64) == (512, 768)  # type: ignore[arg-type]


@pytest.mark.parametrize("picture", [(512, 512), (100, 100), (1000, 1005)])
def test_a_picture_of_the_targets_shape_has_the_target_size(picture: tuple[int, int]) -> None:
    assert training_size(picture, (512, 512), "bucket", 64) == (512, 512)


def test_a_target_off_the_grid_is_kept_by_pictures_of_its_shape() -> None:
    assert training_size((1040, 1040), (520, 520), "bucket", 64) == (520, 520)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [((640, 480), (576, 448)), ((480, 640), (448, 576)), ((1920, 1080), (704, 384)), ((1080, 1920), (384, 704))],
)
def test_a_bucket_has_the_pictures_shape(picture: tuple[int, int], expected: tuple[int, int]) -> None:
    assert training_size(picture, (512, 512), "bucket", 64) == expected


@pytest.mark.parametrize("grid", [16, 64])
@pytest.mark.parametrize("target", [(512, 512), (768, 512), (64, 64)])
@pytest.mark.parametrize("picture", SHAPES)
def test_a_bucket_lies_on_the_grid_and_has_about_the_targets_area(
    picture: tuple[int, int], target: tuple[int, int], grid: int
) -> None:
    width, height = training_size(picture, target, "bucket", grid)
    assert (width % grid, height % grid, min(width, height) >= grid) == (0, 0, True)
    if target[0] >= 8 * grid:
        assert 0.8 < width * height / (target[0] * target[1]) < 1.25


@pytest.mark.parametrize("picture", [(1000, 10), (100_000, 1)])
def test_a_panorama_is_cut_to_three_to_one(picture: tuple[int, int]) -> None:
    width, height = training_size(picture, (512, 512), "bucket", 64)
    assert (width, height) == training_size((3, 1), (512, 512), "bucket", 64)
    assert training_size(picture[::-1], (512, 512), "bucket", 64) == (height, width)


def test_pictures_are_grouped_by_size_in_the_order_they_come() -> None:
    assert group_by_size([(2, 1), (1, 1), (2, 1)]) == {(2, 1): [0, 2], (1, 1): [1]}
    assert list(group_by_size([(2, 1), (1, 1)])) == [(2, 1), (1, 1)]
    assert group_by_size([]) == {}
