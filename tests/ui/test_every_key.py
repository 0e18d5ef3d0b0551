"""Each key of the table does what the table says it does, on each screen it belongs to. What that is, the stories show."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from textual.dom import DOMNode

from tests.ui.support import NARROW, ready, recipe, until
from tinv_tui.app import creation_checks, fields
from tinv_tui.app.app import TinvApp
from tinv_tui.app.keys import ALL_KEYS, DIALOGS, KEYS, groups_in, groups_on, use_keys, with_keys
from tinv_tui.app.modes import MODES, ModeName
from tinv_tui.app.screens import help as help_screen


@pytest.mark.parametrize("mode", [mode.name for mode in MODES])
async def test_each_key_reaches_its_action(mode: ModeName, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = TinvApp(recipe(pictures))
    async with app.run_test(size=NARROW) as pilot:
        await ready(pilot)
        app.action_show(mode)
        await until(pilot, lambda: app.screen.id == mode)
        reached = list[str]()

        async def note(action: Any, *_: Any, **__: Any) -> bool:
            reached.append(str(action))
            return True

        monkeypatch.setattr(app, "run_action", note)
        missed = dict[str, list[str]]()
        for key in KEYS:
            if not key.works_in(mode):
                continue
            if key.pane is None:
                app.screen.set_focus(None)
            else:
                pane = app.screen.query_one(f"#{key.pane}")
                pane.can_focus |= key.id == "form.unfold"  # as it is while the form is folded
                app.screen.set_focus(
                    pane if pane.can_focus else next(w for w in pane.walk_children() if w.can_focus and w.display)
                )
            await pilot.pause()
            for name in key.keys.split(","):
                reached.clear()
                await pilot.press(name)
                wanted = {key.action} | ({"choose"} if key.pane and name == "enter" else set())  # a list tells its pane
                if not wanted & set(reached):
                    missed[f"{key.id}: {name}"] = list(reached)
        monkeypatch.undo()
    assert missed == {}


def test_no_two_keys_of_a_screen_are_the_same() -> None:
    for mode in MODES:
        for pane in {key.pane for key in KEYS}:  # a pane may use a key of its screen for its own
            here = [key for key in KEYS if key.works_in(mode.name) and key.pane == pane]
            names = [name for key in here for name in key.keys.split(",")]
            assert len(set(names)) == len(names), (mode.name, pane)
    assert len({key.id for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("mode", [mode.name for mode in MODES])
def test_help_begins_with_the_keys_of_the_pane_and_the_screen_one_is_on_and_leaves_none_out(mode: ModeName) -> None:
    titles = {pane: title for pane, (title, _) in help_screen.PANES.items()}
    for pane in (None, *{key.pane for key in KEYS if key.pane and key.works_in(mode)}):
        groups = groups_on(mode, pane, titles)
        here = [keys for _, keys in groups[: 3 if pane else 2]]
        assert pane is None or {key.pane for key in here[0]} == {pane}
        assert all(key.works_in(mode) and key.where is not None and key.pane is None for key in here[-2])
        assert all(key.where is None for key in here[-1])
        shown = {key.id for _, keys in groups for key in keys}
        assert shown == {key.id for key in (*KEYS, *(key for dialog in DIALOGS for key in dialog.keys))}
        assert len({heading for heading, _ in groups}) == len(groups)


def test_a_dialog_that_has_help_has_words_for_it_and_all_its_keys() -> None:
    for dialog in DIALOGS:
        if any(key.action.startswith("help(") for key in dialog.keys):
            help_screen.help_in_dialog(dialog.name)
            keys = [key for _, keys in groups_in(dialog.name) for key in keys]
            assert set(dialog.keys) <= set(keys)
            assert {key.group for key in keys} == {dialog.name, *dialog.holds}


APP = Path(__file__).parents[2] / "tinv_tui" / "app"


def classes_with_bindings() -> list[type[DOMNode]]:
    found = list[type[DOMNode]]()
    for path in sorted(APP.rglob("*.py")):
        name = ".".join(path.relative_to(APP.parents[1]).with_suffix("").parts).removesuffix(".__init__")
        for thing in vars(importlib.import_module(name)).values():
            if inspect.isclass(thing) and thing.__module__ == name and vars(thing).get("BINDINGS"):
                found.append(thing)
    return found


def test_every_binding_is_a_row_of_the_table_and_every_row_is_bound() -> None:
    """Textual's own keep what they are; those of the app have an id, so that a keymap reaches them."""
    bound = [binding for owner in classes_with_bindings() for binding in vars(owner)["BINDINGS"]]
    assert {(b.id, b.key, b.action) for b in bound} == {
        (key.id, name, key.action) for key in ALL_KEYS for name in key.keys.split(",")
    }


def test_what_a_dialogs_key_calls_is_there() -> None:
    for owner in classes_with_bindings():
        for binding in vars(owner)["BINDINGS"]:
            target, _, name = binding.action.partition("(")[0].rpartition(".")
            if not target:
                assert hasattr(owner, f"action_{name}"), (owner, binding.id)


def test_no_two_keys_of_a_dialog_are_the_same() -> None:
    assert len({key.id for key in ALL_KEYS}) == len(ALL_KEYS)
    for dialog in DIALOGS:
        rows = [key for key in ALL_KEYS if key.group in (dialog.name, *dialog.holds)]
        names = [name for key in rows for name in key.keys.split(",")]
        assert len(set(names)) == len(names), dialog.name
        assert all(key.group == dialog.name for key in dialog.keys)


def test_texts_speak_of_the_keys_that_are_in_use() -> None:
    """A key that is no longer in the table would raise KeyError."""
    told = [text for _, text in help_screen.PANES.values()]
    told += [field.placeholder for rows in (fields.ROWS, creation_checks.ROWS) for row in rows for field in row]
    told = [text for text in told if "{" in text]
    assert len(told) > 10
    use_keys({"pane.zoom": "Z", "app.models": "f10"})
    try:
        shown = [with_keys(text) for text in told]
    finally:
        use_keys({})
    assert not any("{" in text for text in shown)
    assert any("alone (Z)" in text for text in shown)
    assert "f10 lists what is here" in shown
