"""Where pictures are scaled and cut, against the values that A1111 gives (a1111.md §3.4)."""

from __future__ import annotations

import pytest

from tinv_tui.datasets.geometry import (
    Size,
    auto_size,
    box_around,
    decode_reduction,
    fill,
    focal_scale,
    middle_box,
    split,
    split_ratio,
)

AUTO = {"sides": (384, 768), "areas": (4096, 409600), "threshold": 0.1}


@pytest.mark.parametrize(
    ("picture", "target", "scaled", "offset"),
    [
        ((1920, 1080), (512, 512), (910, 512), (-199, 0)),
        ((1080, 1920), (512, 512), (512, 910), (0, -199)),
        ((333, 500), (512, 512), (512, 768), (0, -128)),
        ((501, 333), (512, 512), (770, 512), (-129, 0)),
        ((640, 480), (768, 512), (768, 576), (0, -32)),
        ((512, 512), (512, 512), (512, 512), (0, 0)),
        ((1000, 665), (512, 512), (769, 512), (-128, 0)),  # an odd rest is cut from the right
    ],
)
def test_a_picture_fills_the_target_with_its_middle(
    picture: Size, target: Size, scaled: Size, offset: tuple[int, int]
) -> None:
    filled = fill(picture, target)
    assert (filled.scaled, filled.offset) == (scaled, offset)
    assert filled.box(target) == (-offset[0], -offset[1], target[0] - offset[0], target[1] - offset[1])


@pytest.mark.parametrize(
    ("picture", "target", "overlap", "scaled", "starts"),
    [
        ((512, 1024), (512, 512), 0.2, (512, 1024), (0, 256, 512)),
        ((512, 2048), (512, 512), 0.2, (512, 2048), (0, 384, 768, 1152, 1536)),
        ((1000, 2500), (512, 512), 0.2, (512, 1280), (0, 384, 768)),
        ((1920, 1080), (512, 512), 0.2, (910, 512), (0, 398)),
        ((800, 1700), (512, 768), 0.2, (512, 1088), (0, 320)),
        ((600, 3000), (512, 512), 0.0, (512, 2560), (0, 512, 1024, 1536, 2048)),
    ],
)
def test_a_long_picture_becomes_tiles(
    picture: Size, target: Size, overlap: float, scaled: Size, starts: tuple[int, ...]
) -> None:
    tiles = split(picture, target, overlap)
    assert (tiles.scaled, tiles.starts) == (scaled, starts)
    boxes = tiles.boxes(target)
    assert all((box[2] - box[0], box[3] - box[1]) == target for box in boxes)
    assert boxes[0][:2] == (0, 0)
    assert boxes[-1][2:] == scaled


def test_a_split_into_one_tile_divides_by_nothing() -> None:
    assert split((512, 513), (512, 512), 0.0).starts == (0, 1)
    assert split((1000, 1001), (512, 512), 0.2).starts == (0,)
    assert split((100, 100), (512, 512), 0.9).starts == (0,)


def test_an_overlap_that_would_need_endless_tiles_is_held_back() -> None:
    assert split((512, 1024), (512, 512), 1.0) == split((512, 1024), (512, 512), 0.9)


@pytest.mark.parametrize(
    ("picture", "target", "ratio"),
    [
        ((1920, 1080), (512, 512), 0.5625),
        ((1080, 1920), (512, 512), 0.5625),
        ((512, 1024), (512, 1024), 1.0),
        ((800, 1700), (512, 768), 800 * 768 / (1700 * 512)),
        ((500, 500), (512, 512), 1.0),
    ],
)
def test_how_long_a_picture_is_depends_on_the_targets_shape(picture: Size, target: Size, ratio: float) -> None:
    assert split_ratio(picture, target) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("picture", "largest", "closest"),
    [
        ((1920, 1080), (768, 448), (704, 384)),
        ((1080, 1920), (448, 768), (384, 704)),
        ((1000, 1000), (640, 640), (640, 640)),
        ((800, 600), (704, 576), (512, 384)),
        ((400, 300), (704, 576), (512, 384)),
        ((3000, 500), None, None),
    ],
)
def test_an_auto_sized_crop_takes_the_largest_or_the_closest_size(
    picture: Size, largest: Size | None, closest: Size | None
) -> None:
    assert auto_size(picture, objective="area", **AUTO) == largest
    assert auto_size(picture, objective="error", **AUTO) == closest


def test_bounds_that_nothing_fits_give_no_size() -> None:
    assert auto_size((512, 512), (384, 320), (4096, 409600), "area", 0.1) is None
    assert auto_size((512, 512), (384, 768), (400_000, 4096), "area", 0.1) is None


@pytest.mark.parametrize(
    ("picture", "target", "box"),
    [
        ((1000, 500), (512, 512), (250, 0, 750, 500)),
        ((500, 1000), (512, 512), (0, 250, 500, 750)),
        ((1920, 1080), (768, 448), (34.285714, 0, 1885.714286, 1080)),
    ],
)
def test_an_auto_sized_crop_keeps_the_middle(picture: Size, target: Size, box: tuple[float, ...]) -> None:
    assert middle_box(picture, target) == pytest.approx(box)


@pytest.mark.parametrize(
    ("picture", "target", "scaled"),
    [
        ((1920, 1080), (512, 512), (910, 512)),
        ((1080, 1920), (512, 512), (512, 910)),
        ((500, 500), (512, 512), (512, 512)),
        ((500, 500), (768, 512), (768, 768)),
        ((500, 500), (512, 768), (768, 768)),
        ((640, 600), (768, 512), (768, 720)),  # by its height it would be 546 wide, less than the target
    ],
)
def test_before_a_focal_crop_the_picture_covers_the_target(picture: Size, target: Size, scaled: Size) -> None:
    assert focal_scale(picture, target) == scaled


@pytest.mark.parametrize("width", range(500, 540))
def test_rounding_never_leaves_a_gap(width: int) -> None:
    for target in ((512, 512), (768, 512), (512, 768)):
        scaled = focal_scale((width, 517), target)
        assert scaled[0] >= target[0]
        assert scaled[1] >= target[1]
        filled = fill((width, 517), target)
        assert filled.scaled[0] >= target[0]
        assert filled.scaled[1] >= target[1]


@pytest.mark.parametrize(
    ("point", "box"),
    [
        ((455, 256), (199, 0, 711, 512)),
        ((0, 0), (0, 0, 512, 512)),
        ((909, 511), (398, 0, 910, 512)),
        ((300.4, 10), (44, 0, 556, 512)),
    ],
)
def test_the_crop_lies_around_the_point_and_inside_the_picture(
    point: tuple[float, float], box: tuple[int, int, int, int]
) -> None:
    assert box_around(point, (910, 512), (512, 512)) == box


@pytest.mark.parametrize(
    ("picture", "scaled", "reduction"),
    [
        ((4000, 3000), (682, 512), 2),
        ((8000, 6000), (682, 512), 4),
        ((16000, 12000), (682, 512), 8),
        ((4001, 3000), (682, 512), 1),
        ((1000, 750), (682, 512), 1),
    ],
)
def test_a_photo_is_decoded_smaller_only_where_that_leaves_no_trace(
    picture: Size, scaled: Size, reduction: int
) -> None:
    assert decode_reduction(picture, scaled) == reduction
