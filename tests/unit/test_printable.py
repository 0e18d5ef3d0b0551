"""What comes out of somebody's file steers no terminal."""

from __future__ import annotations

import pytest

from tinv_tui.printable import printable


@pytest.mark.parametrize(
    "character",
    ["\x1b", "\n", "\x00", "\x9b", "\udce9", "\u2028", "\u2029", "\u202e", "\u2066"],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_what_a_terminal_would_obey_or_cannot_write_is_shown_as_one_sign(character: str) -> None:
    assert printable(f"cat{character}gpj.exe") == "cat�gpj.exe"


@pytest.mark.parametrize(
    "text", ["a cat", "żółw", "猫 cat", "\u05d7\u05ea\u05d5\u05dc", "e\u0301", "a\u00a0b", "👩\u200d🎨", "-\u00ad-"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
