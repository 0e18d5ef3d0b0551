"""Lets the user change a setting of the run on the screen while it goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tinv_tui.app.screens.ask_value import AskValueScreen
from tinv_tui.app.screens.pick import PickScreen
from tinv_tui.errors import InputError

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp
    from tinv_tui.app.form_values import Mark
    from tinv_tui.app.watcher import RunNow
    from tinv_tui.recipe import Recipe


async def pick_and_change(app: TinvApp, now: RunNow) -> None:
    """Offer what may change, ask for its new value, and send it; what came of it is in the log."""
    from tinv_tui.app.offer import Offer
    from tinv_tui.recipe import field_of
    from tinv_tui.recipe_file import load_recipe
    from tinv_tui.runs.changes import LIVE

    def offers() -> list[Offer]:
        recipe = load_recipe(now.folder.recipe)
        return [Offer(key, _said(recipe, key)) for key in LIVE]

    run = app.control.run
    try:
        key = await app.push_screen_wait(PickScreen(f"{now.name}: change what?", offers(), offers))
        if key is None:
            return
        recipe = await asyncio.to_thread(load_recipe, now.folder.recipe)
    except InputError as error:
        app.control.note(str(error), "bad")
        return

    def look(text: str) -> tuple[Mark, str]:
        latest = app.control.now
        at = latest if latest is not None and latest.folder == now.folder else now
        return _look(recipe, key, text, at.view.step)

    about = " ".join((field_of(key).description or "").split())
    explanation = f"{about}\nIt holds from the next step on."
    text = await app.push_screen_wait(AskValueScreen(key, explanation.strip(), _text(recipe, key), look))
    if text is not None:
        app.control.tell("set", to=run, key=key, value=_value(key, text))


def _said(recipe: Recipe, key: str) -> str:
    """As the form has it: "Rate: 0.005", "[ ] no vector longer than the vocabulary's"."""
    from tinv_tui.app.fields import FIELDS
    from tinv_tui.app.form_values import in_words

    field, text = FIELDS[key], _text(recipe, key)
    if text in ("true", "false"):
        return f"[{'x' if text == 'true' else ' '}] {field.name}"
    said = in_words(field, text) if text and text != field.blank else field.placeholder or "nothing"
    return f"{field.name}: {said}"


def _text(recipe: Recipe, key: str) -> str:
    from tinv_tui.app.form_values import text_of

    section, _, name = key.partition(".")
    return text_of(getattr(getattr(recipe, section), name))


def _value(key: str, text: str) -> object:
    from tinv_tui.app.form_values import value_of

    return value_of(key, text)


def _look(recipe: Recipe, key: str, text: str, step: int) -> tuple[Mark, str]:
    """What is wrong with a value, or what there is to know of it."""
    from tinv_tui.app.form_values import short
    from tinv_tui.runs.changes import change_live, rates_ahead

    try:
        changed, _ = change_live(recipe, key, _value(key, text), step)
    except InputError as error:
        return "✖", short(error, key)
    if key != "training.learning_rate":
        return "✔", ""
    ahead, warning = rates_ahead(changed, step)
    return ("!", f"{ahead}; {warning}") if warning else ("✔", ahead)
