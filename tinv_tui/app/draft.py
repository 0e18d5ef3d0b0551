"""What the train form says that no run has yet: written down while it is filled in, there again when the app is opened."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinv_tui import paths
from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import changes, read_fields, texts_of
from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.recipe_file import resolve_paths

if TYPE_CHECKING:
    from tinv_tui.app.widgets.recipe_form import RecipeForm


@dataclass(frozen=True)
class Draft:
    """What was written down last. ``unread`` are the texts that the recipe could not hold: of no value yet, most often."""

    recipe: Recipe
    unread: dict[str, str]
    content: str
    """The file as it stands."""


class DraftKeeper:
    """Keeps what is edited in ``form`` from its state now on, and again from the one at each :meth:`settle`.

    There is one draft: of two apps, that of the one which is left last. What another wrote, this one does not take away.
    """

    def __init__(self, form: RecipeForm) -> None:
        self._form = form
        self._settled = form.texts
        self._kept = dict[str, str]()
        self._content = ""

    async def restore(self) -> bool:
        """Fill the form in as it was left; whether it was left with anything that no run had."""
        draft = await asyncio.to_thread(read_draft)
        if draft is None:
            return False
        self._content = draft.content
        self._form.fill(draft.recipe)
        self._form.put_all(draft.unread)
        return True

    def settle(self) -> None:
        """A run has now what the form says."""
        self._settled = self._form.texts
        self._write(self._wanted, self._form.base)

    async def keep(self) -> None:
        """Write down what no run has, if that is not done. What the disk does not take now it gets with the next edit."""
        await asyncio.to_thread(self._write, self._wanted, self._form.base)

    def leave(self) -> None:
        """Keep what was typed since, also where another app has written, or taken away, what it had."""
        wanted = self._wanted
        if wanted and _read() != self._content:
            self._kept = {}
        self._write(wanted, self._form.base)

    @property
    def _wanted(self) -> dict[str, str]:
        texts = self._form.texts
        return texts if changes(self._settled, texts, FIELDS) else {}

    def _write(self, wanted: dict[str, str], base: Recipe) -> None:
        if wanted == self._kept and (wanted or not self._content):
            return
        with contextlib.suppress(OSError):
            if not wanted and _read() == self._content:
                paths.form_draft().unlink(missing_ok=True)
            self._content = write_draft(wanted, base, Path.cwd()) if wanted else ""
            self._kept = wanted


def write_draft(texts: Mapping[str, str], base: Recipe, beside: Path) -> str:
    """Write down what the fields say over ``base``; relative paths start at ``beside``. Gives the content. Raises OSError."""
    recipe, errors = read_fields(texts, base, FIELDS)
    if recipe is None:
        recipe, _ = read_fields({key: text for key, text in texts.items() if key not in errors}, base, FIELDS)
    recipe = recipe or base
    said = texts_of(recipe, FIELDS)
    unread = {key: text for key, text in texts.items() if text.strip() != said[key].strip()}
    with contextlib.suppress(InputError):  # a path that cannot be one
        recipe = resolve_paths(recipe, beside)
    values = {"recipe": recipe.model_dump(mode="json"), "unread": unread}
    content = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    paths.form_draft().parent.mkdir(parents=True, exist_ok=True)
    write_atomic(paths.form_draft(), content)
    return content


def read_draft() -> Draft | None:
    """What was written down last; None where there is none, or one of another version that cannot be read here."""
    content = _read()
    try:
        values = json.loads(content)
        unread = {key: text for key, text in values["unread"].items() if key in FIELDS and isinstance(text, str)}
        return Draft(make_recipe(values["recipe"]), unread, content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InputError):
        return None


def _read() -> str:
    try:
        return paths.form_draft().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
