"""What captions say and how often, which pictures a filter keeps, and what can be done about one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinv_tui.app.picture_filter import exact, keeps
from tinv_tui.app.picture_fixes import fixes, in_words
from tinv_tui.datasets.caption_words import count_captions, likely_kind
from tinv_tui.datasets.findings import KINDS, Finding
from tinv_tui.datasets.pictures import PictureEntry

PICTURE = Path("a_fox 3.png")


def entry(caption: str | None = "a red fox, Long Hair, snow", problem: str | None = None) -> PictureEntry:
    return PictureEntry(PICTURE, 64, 64, caption, problem)


def found(*codes: str) -> list[Finding]:
    return [Finding(PICTURE, code, f"said of {code}") for code in codes]


def test_tags_and_words_are_counted_once_a_caption_in_small_letters() -> None:
    captions = ["1girl, Long  Hair, long hair,", "long hair, smile", "a dog's dog, on a mat"]
    assert count_captions(captions, "tag")[:1] == [("long hair", 2)]
    assert dict(count_captions(captions, "tag"))["a dog's dog"] == 1
    words = count_captions(captions, "word")
    assert words[:2] == [("hair", 2), ("long", 2)]
    assert (dict(words)["dog"], dict(words)["dog's"]) == (1, 1)


def test_captions_of_several_commas_are_lists_of_tags() -> None:
    assert likely_kind(["1girl, smile, hat", "solo, hat, sky", "a dog"]) == "tag"
    assert likely_kind(["a dog, on a mat", "a cat", ""]) == "word"
    assert likely_kind([]) == "word"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", True),
        ("  ", True),
        ("FOX", True),
        ("snow fox", True),
        ("snow dog", False),
        ("small", True),
        ("too small", True),
        ("copy", False),
        ("no caption", False),
        ("tag:long hair", True),
        ("Tag: Long  hair", True),
        ("tag:hair", False),
        ("word:hair", True),
        ("word:hai", False),
        (exact("tag", "snow"), True),
        ("tag:", False),
    ],
)
def test_a_filter_looks_at_name_caption_and_what_is_said(text: str, kept: bool) -> None:
    assert keeps(text, entry(), found("too-small"), is_left_out=False) is kept


def test_a_filter_finds_what_has_no_caption_is_left_out_or_cannot_be_read() -> None:
    assert keeps("no caption", entry(None), [], is_left_out=False)
    assert keeps("left out", entry(), [], is_left_out=True)
    assert keeps("empty", entry(None, "empty file"), [], is_left_out=False)


def test_the_most_helpful_comes_first_and_nothing_is_offered_that_cannot_be() -> None:
    def first(*codes: str) -> str:
        return fixes(entry(), found(*codes), is_left_out=False)[0][0]

    assert (first(), first("caption-missing"), first("not-square"), first("near-duplicate")) == (
        "caption",
        "caption",
        "preprocess",
        "exclude",
    )
    assert first("blurred", "caption-missing") == "exclude"
    for code in KINDS:
        assert [fix for fix, _ in fixes(entry(), found(code), is_left_out=False)].count("exclude") == 1
    assert [fix for fix, _ in fixes(entry(problem="broken"), found("unreadable"), is_left_out=False)] == [
        "exclude",
        "preprocess",
    ]
    assert fixes(entry(), [], is_left_out=True)[0] == ("exclude", "Take it back into the training")


def test_it_is_said_with_its_hint_and_no_more_than_fits() -> None:
    def said(*codes: str, caption: str | None = "a fox") -> str:
        return in_words(entry(caption), found(*codes), is_left_out=False)

    assert said() == "Nothing is wrong with it."
    assert said(caption=None) == "It has no caption; the template asks for none."
    assert said("blurred").startswith("Said of blurred. Use a sharper picture")
    assert said("blurred", "turned", "format", "alpha").endswith("And 2 more.")
    assert in_words(entry(), found("blurred"), is_left_out=True) == "It is left out of the training."
