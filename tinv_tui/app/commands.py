"""The command palette: every key of the table by name, as far as it means something here, and the fields of the form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tinv_tui.app.field_search import has_all, is_named
from tinv_tui.app.keys import KEYS, Key
from tinv_tui.app.modes import ModeName
from tinv_tui.app.run_control import RunControl

if TYPE_CHECKING:
    from tinv_tui.app.widgets.recipe_form import RecipeForm


@runtime_checkable
class Attached(Protocol):
    """An app that watches a run."""

    control: RunControl


@runtime_checkable
class InAMode(Protocol):
    """A screen of the top bar."""

    mode_name: ModeName


@runtime_checkable
class HasForm(Protocol):
    """An app with the train form."""

    train_form: RecipeForm | None

    def show_form(self) -> None:
        """Go to it."""


class KeyCommands(Provider):
    def _usable(self) -> list[Key]:
        assert isinstance(self.screen, InAMode)
        mode = self.screen.mode_name
        assert isinstance(self.app, Attached)
        live = self.app.control.is_live
        return [k for k in KEYS if k.works_in(mode) and (live or not k.live) and k.id != "app.commands"]

    def _run(self, key: Key) -> object:
        async def run() -> None:
            owner = self.screen if key.pane is None else self.screen.query_one(f"#{key.pane}")
            await owner.run_action(key.action if key.where is not None else f"app.{key.action}")

        return run

    async def discover(self) -> Hits:
        for key in self._usable():
            yield DiscoveryHit(_name(key), self._run(key), help=key.help)  # type: ignore[arg-type]

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for key in self._usable():
            score = matcher.match(_name(key)) or float(has_all(key.help.casefold(), query))
            if score > 0:
                yield Hit(score, matcher.highlight(_name(key)), self._run(key), help=key.help)  # type: ignore[arg-type]
        app = self.app
        if isinstance(app, HasForm) and app.train_form is not None:
            for field in app.train_form.fields.values():
                if is_named(field, query):
                    name = f"field: {field.name} ({field.key})"
                    yield Hit(max(matcher.match(name), 1.0), matcher.highlight(name), partial(_go_to, app, field.key))


def _go_to(app: HasForm, key: str) -> None:
    app.show_form()
    if app.train_form is not None:
        app.train_form.go_to(key)


def _name(key: Key) -> str:
    group, _, _ = key.id.partition(".")
    return f"{group}: {key.label} ({key.names[0]})"
