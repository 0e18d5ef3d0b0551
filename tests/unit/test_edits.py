"""Undo and redo of a form, without a screen."""

from __future__ import annotations

from tinv_tui.app.edits import Edits, Filled
from tinv_tui.recipe import Recipe


def filled(**texts: str) -> Filled:
    return Filled(Recipe(), texts)


def test_edits_are_taken_back_one_by_one_and_made_again() -> None:
    edits = Edits()
    for text in ("1", "2", "3"):
        edits.keep(filled(a=text))
    assert [edits.undo(), edits.undo(), edits.undo()] == [filled(a="2"), filled(a="1"), None]
    assert [edits.redo(), edits.redo(), edits.redo()] == [filled(a="2"), filled(a="3"), None]


def test_what_is_typed_into_a_field_is_one_edit_until_the_field_is_left() -> None:
    edits = Edits()
    edits.keep(filled(a=""))
    for text in ("c", "ca", "cat"):
        edits.keep(filled(a=text), typed_in="a")
    edits.leave_field()
    edits.keep(filled(a="cats"), typed_in="a")
    assert [edits.undo(), edits.undo()] == [filled(a="cat"), filled(a="")]


def test_an_edit_after_an_undo_leaves_nothing_to_redo_and_one_that_changes_nothing_is_none() -> None:
    edits = Edits()
    edits.keep(filled(a="1"))
    edits.keep(filled(a="2"))
    assert edits.undo() == filled(a="1")
    edits.keep(filled(a="1"))
    assert edits.redo() == filled(a="2")
    assert edits.undo() == filled(a="1")
    edits.keep(filled(a="3"))
    assert edits.redo() is None
    assert edits.undo() == filled(a="1")
