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
from tinv_tui.app.form_values import changes, read_fields
from tinv_tui.atomic import write_atomic
from tinv_tui.errors import InputError
from tinv_tui.recipe import Recipe, make_recipe, resolve_paths

if TYPE_CHECKING:
    from tinv_tui.app.widgets.recipe_form import RecipeForm


@dataclass(frozen=True)
class Draft:
    """``unread`` are the fields whose text is no value yet, which no recipe could hold."""

    recipe: Recipe
    unread: dict[str, str]


class DraftKeeper:
    """Keeps what is edited in ``form`` from its state now on, and again from the one at each :meth:`settle`."""

    def __init__(self, form: RecipeForm) -> None:
        self._form = form
        self._settled = form.texts
        self._kept = dict[str, str]()

    async def restore(self) -> bool:
        """Fill the form in as it was left; whether it was left with anything that no run had."""
        draft = await asyncio.to_thread(read_draft)
        if draft is None:
            return False
        self._form.fill(draft.recipe)
        self._form.put_all(draft.unread)
        return True

    def settle(self) -> None:
        """A run has now what the form says."""
        self._settled = self._form.texts
        self.keep()

    async def keep_soon(self) -> None:
        """As :meth:`keep`, with the keys heard meanwhile."""
        await asyncio.to_thread(self._write, self._wanted, self._form.base)

    def keep(self) -> None:
        """Write down what no run has, if that is not done. What the disk does not take now it gets with the next edit."""
        self._write(self._wanted, self._form.base)

    @property
    def _wanted(self) -> dict[str, str]:
        texts = self._form.texts
        return texts if changes(self._settled, texts, FIELDS) else {}

    def _write(self, wanted: dict[str, str], base: Recipe) -> None:
        if wanted != self._kept:
            with contextlib.suppress(OSError):
                write_draft(wanted, base, Path.cwd()) if wanted else drop_draft()
                self._kept = wanted


def write_draft(texts: Mapping[str, str], base: Recipe, beside: Path) -> None:
    """Write down what the fields say over ``base``; relative paths start at ``beside``. Raises OSError."""
    unread = dict[str, str]()
    recipe, errors = read_fields(texts, base, FIELDS)
    while recipe is None:
        wrong = errors.keys() & texts.keys()
        if not wrong:
            return  # nobody could tell which field it is
        unread |= {key: texts[key] for key in wrong}
        recipe, errors = read_fields({key: text for key, text in texts.items() if key not in unread}, base, FIELDS)
    with contextlib.suppress(InputError):  # a path that cannot be one
        recipe = resolve_paths(recipe, beside)
    content = {"recipe": recipe.model_dump(mode="json"), "unread": unread}
    paths.form_draft().parent.mkdir(parents=True, exist_ok=True)
    write_atomic(paths.form_draft(), json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def drop_draft() -> None:
    """There is nothing left to remember. Raises OSError."""
    paths.form_draft().unlink(missing_ok=True)


def read_draft() -> Draft | None:
    """What was written down last; None where there is none, or one of another version that cannot be read here."""
    try:
        content = json.loads(paths.form_draft().read_text(encoding="utf-8"))
        unread = {key: text for key, text in content["unread"].items() if key in FIELDS and isinstance(text, str)}
        return Draft(make_recipe(content["recipe"]), unread)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError):
        return None
