"""What becomes of a folder of pictures: names, numbers, ways, captions, and everything that is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.captioners import save_deepdanbooru
from tinv_tui.datasets.mirrored import mirror_words
from tinv_tui.datasets.preprocess import (
    PreprocessPlan,
    caption_action,
    choose_captioners,
    occupants,
    plan_preprocess,
    require_confirmed,
)
from tinv_tui.datasets.preprocess_picture import join_captions
from tinv_tui.errors import InputError
from tinv_tui.sections import PreprocessSection


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def picture(folder: Path, name: str, size: tuple[int, int] = (640, 480), caption: str = "") -> Path:
    Image.new("RGB", size, "teal").save(folder / name)
    if caption:
        (folder / name).with_suffix(".txt").write_text(caption)
    return folder / name


def section(folder: Path, /, **changes: Any) -> PreprocessSection:
    values = {"source": str(folder), "destination": str(folder.parent / "made"), "flip": False, **changes}
    return PreprocessSection(**values)


def plan(folder: Path, /, **changes: Any) -> PreprocessPlan:
    return plan_preprocess(section(folder, **changes))


def refused(folder: Path, /, **changes: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        plan(folder, **changes)
    return caught.value


def test_files_are_named_after_number_part_and_source(source: Path) -> None:
    picture(source, "b cat.jpg", (512, 1024))
    picture(source, "a.png")
    assert plan(source).names == ["00000-0-a", "00001-0-b cat"]
    assert plan(source, flip=True).names == ["00000-0-a", "00000-1-a", "00001-0-b cat", "00001-1-b cat"]
    assert plan(source, flip=True, split=True).names[2:] == [f"00001-{sub}-b cat" for sub in range(6)]


def test_pictures_are_numbered_in_the_order_of_their_names_skipped_ones_too(source: Path) -> None:
    picture(source, "c.png")
    (source / "b.png").touch()
    (source / "a notes.md").touch()
    picture(source, "a.png")
    made = plan(source)
    assert made.names == ["00000-0-a", "00002-0-c"]
    assert [(gone.file.name, gone.reason) for gone in made.skipped] == [
        ("a notes.md", "no picture by its name"),
        ("b.png", "empty file"),
    ]


def test_two_sources_of_one_name_become_two_files(source: Path) -> None:
    picture(source, "a.png")
    picture(source, "a.jpg")
    assert plan(source).names == ["00000-0-a", "00001-0-a"]


def test_a_name_as_long_as_names_get_still_has_room_for_its_number(source: Path) -> None:
    picture(source, "ü" * 125 + ".png")
    (name,) = plan(source).names
    assert len(os.fsencode(name)) < 240
    assert name.endswith("ü")


@pytest.mark.parametrize(
    ("size", "changes", "ways"),
    [
        ((640, 480), {}, ("fill",)),
        ((512, 1024), {"split": True}, ("tiles",)),
        ((512, 1023), {"split": True}, ("fill",)),
        ((1920, 1080), {"split": True, "split_threshold": 0.57}, ("tiles",)),
        ((500, 500), {"split": True, "split_threshold": 1.0}, ("fill",)),
        ((640, 480), {"focal_crop": True}, ("focal",)),
        ((480, 480), {"focal_crop": True}, ("fill",)),
        ((800, 600), {"auto_crop": True}, ("auto",)),
        ((800, 600), {"keep_size": True}, ("whole",)),
        (
            (512, 1024),
            {"split": True, "focal_crop": True, "keep_size": True},
            ("tiles", "focal", "whole"),
        ),
    ],
)
def test_each_way_is_taken_where_it_applies_and_the_plain_one_where_none_does(
    source: Path, size: tuple[int, int], changes: dict[str, Any], ways: tuple[str, ...]
) -> None:
    picture(source, "a.png", size)
    assert plan(source, **changes).pictures[0].ways == ways


@pytest.mark.parametrize("way", ["split", "focal_crop"])
@pytest.mark.parametrize("size", [(3000, 1), (1, 3000)])
def test_a_picture_that_would_be_enlarged_beyond_what_is_opened_is_skipped_with_the_reason(
    source: Path, way: str, size: tuple[int, int]
) -> None:
    picture(source, "a.png", size)
    picture(source, "b.png", (3000, 100))
    made = plan(source, **{way: True})
    assert [kept.source.name for kept in made.pictures] == ["b.png"]
    large = "1536000 x 512" if size[0] > 1 else "512 x 1536000"
    assert [gone.reason for gone in made.skipped] == [f"too thin: to be cut it would be enlarged to {large}"]
    assert [len(kept.names) for kept in plan(source).pictures] == [1, 1]


def test_a_picture_that_no_auto_sized_crop_fits_is_skipped_with_the_reason(source: Path) -> None:
    picture(source, "a.png", (3000, 500))
    picture(source, "b.png", (800, 600))
    made = plan(source, auto_crop=True)
    assert made.names == ["00001-0-b"]
    assert made.skipped[0].reason == "no auto-sized crop fits 3000 x 500"
    assert plan(source, auto_crop=True, keep_size=True).pictures[0].ways == ("whole",)


@pytest.mark.parametrize("where", ["source", "source/made", ".", "link"])
def test_a_destination_that_is_the_source_or_nested_with_it_is_refused(source: Path, where: str) -> None:
    picture(source, "a.png")
    (source.parent / "link").symlink_to(source)
    error = refused(source, destination=str(source.parent / where))
    assert error.code in {"preprocess-same", "preprocess-nested"}
    assert "the same folder" in error.message or "inside the other" in error.message


def test_what_is_missing_or_no_folder_is_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "preprocess.source is required" in refused(source, source="").message
    assert "preprocess.destination is required" in refused(source, destination="").message
    assert "does not exist" in refused(source, source=str(tmp_path / "gone")).message
    assert "is a file" in refused(source, source=str(tmp_path / "file")).message
    assert "is a file" in refused(source, destination=str(tmp_path / "file")).message
    assert "holds no picture" in refused(source).message


def test_values_that_contradict_each_other_are_refused(source: Path, tmp_path: Path) -> None:
    picture(source, "a.png")
    assert "auto_crop_max_side" in refused(source, auto_crop_min_side=800).message
    assert "auto_crop_max_area" in refused(source, auto_crop_min_area=500_000).message
    assert "blip_max_length" in refused(source, blip_min_length=50).message
    assert "is no colour" in refused(source, background="whitish").message
    assert "there is no file" in refused(source, focal_crop=True, face_model=str(tmp_path / "gone")).message


def test_a_destination_that_holds_something_wants_a_confirmation_with_its_count(source: Path, tmp_path: Path) -> None:
    picture(source, "a.png")
    made = tmp_path / "made"
    made.mkdir()
    require_confirmed(section(source), plan(source))
    picture(made, "00000-0-a.png")
    picture(made, "other.png")
    (made / ".hidden").touch()
    assert occupants(made) == 2
    with pytest.raises(InputError) as caught:
        require_confirmed(section(source), plan(source))
    assert (
        f"{made} holds 2 files; 1 picture would be replaced, captions too; 1 other picture would stay in the dataset"
        in caught.value.message
    )
    assert "--into-existing" in caught.value.hint
    require_confirmed(section(source, into_existing=True), plan(source, into_existing=True))


def test_without_the_extra_what_needs_it_says_how_to_get_it(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(source, "a.png", (640, 480))
    for module in ("cv2", "onnxruntime"):
        monkeypatch.setitem(sys.modules, module, None)
    for changes in ({"focal_crop": True}, {"tagger": "wd-vit"}):
        assert "pip install 'tinv-tui[preprocess]'" in refused(source, **changes).hint
    assert plan(source).names == ["00000-0-a"]


def test_a_captioner_that_was_named_and_is_missing_is_refused_with_the_command(source: Path) -> None:
    picture(source, "a.png")
    assert "hf download" in refused(source, blip="on").hint
    assert "hf download" in refused(source, tagger="wd-vit").hint


def test_captions_are_made_by_default_where_a_captioner_is_present(source: Path, tmp_path: Path) -> None:
    picture(source, "a.png", caption="a cat")
    without = plan(source)
    assert (without.captioners, without.caption_action, without.pictures[0].caption) == ((), "copy", "a cat")
    folder = tmp_path / "home" / "models" / "deepdanbooru"
    save_deepdanbooru(folder)
    present = plan(source)
    assert ([found.folder for found in present.captioners], present.caption_action) == ([folder], "ignore")
    assert present.pictures[0].caption == ""
    assert plan(source, blip="off").captioners == ()
    assert plan(source, caption_action="append").pictures[0].caption == "a cat"
    (named,) = choose_captioners(section(source, tagger=str(folder)))
    assert named.folder == folder
    assert caption_action(section(source), (named,)) == "ignore"


@pytest.mark.parametrize(
    ("action", "existing", "made", "joined"),
    [
        ("ignore", "old", "new", "new"),
        ("ignore", "old", "", ""),
        ("copy", "old", "new", "old"),
        ("copy", "", "new", "new"),
        ("prepend", "old", "new", "old new"),
        ("prepend", "", "new", "new"),
        ("append", "old", "new", "new old"),
        ("append", "old", "", "old"),
        ("append", "", "", ""),
    ],
)
def test_existing_and_made_captions_are_joined(action: Any, existing: str, made: str, joined: str) -> None:
    assert join_captions(action, existing, made) == joined


@pytest.mark.parametrize(
    ("caption", "mirrored"),
    [
        ("a cat on the left of a dog", "a cat on the right of a dog"),
        ("Left and RIGHT, left-handed", "Right and LEFT, right-handed"),
        ("the rightmost of two, looking leftwards", "the leftmost of two, looking rightwards"),
        ("from_left, bright light, a lefthanded wright", "from_right, bright light, a lefthanded wright"),
        ("two rights", "two lefts"),
        ("", ""),
    ],
)
def test_a_mirrored_caption_has_left_and_right_swapped(caption: str, mirrored: str) -> None:
    assert mirror_words(caption) == mirrored
    assert mirror_words(mirrored) == caption
