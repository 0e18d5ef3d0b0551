"""How the user wants the app to look, out of settings.toml: needed before the first frame, so read without pydantic."""

from __future__ import annotations

import asyncio
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from textual.filter import LineFilter
from textual.theme import Theme

from tinv_tui import paths
from tinv_tui.app.background import in_background
from tinv_tui.app.glyphs import ASCII, AsciiGlyphs, needs_ascii
from tinv_tui.app.graphics import KITTY, PICTURES, SIXEL, Pictures, why_not
from tinv_tui.app.keys import use_keys
from tinv_tui.errors import InputError

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp


@dataclass(frozen=True)
class Look:
    theme: str | None = None
    """None where the settings name none."""
    is_ascii: bool = False
    pictures: Pictures = "half-cells"
    keys: dict[str, str] = field(default_factory=dict)
    """Binding id and comma-separated keys, as written."""


def read_look() -> Look:
    """What is wrong in the file is left out here, and told by :func:`tinv_tui.settings.load_settings`."""
    try:
        values = tomllib.loads((paths.home() / "settings.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, InputError):
        values = {}
    app = values.get("app")
    app = app if isinstance(app, dict) else {}
    theme, glyphs = app.get("theme"), app.get("glyphs", "auto")
    is_ascii = glyphs == "ascii" or (glyphs == "auto" and needs_ascii(os.environ))
    pictures: Pictures = next((way for way in PICTURES if way == app.get("pictures")), "half-cells")
    return Look(theme if isinstance(theme, str) else None, is_ascii, pictures, flat_keys(values.get("keys")))


class Looks:
    """The look of one app: put on, told where it is wrong, and kept where the user chooses another theme."""

    def __init__(self, app: TinvApp, pictures: Pictures | None = None) -> None:
        """``pictures`` stands above the settings."""
        self._app = app
        self._wanted = read_look()
        self._problems = list[InputError]()
        self._started_with = app.theme
        self.filters: Sequence[LineFilter] = (AsciiGlyphs(),) if self._wanted.is_ascii else ()
        app.set_class(self._wanted.is_ascii, ASCII)
        drawn_as = pictures or self._wanted.pictures
        self._unfit = why_not(drawn_as, os.environ, is_ascii=self._wanted.is_ascii)
        app.set_class(drawn_as == "sixel" and self._unfit is None, SIXEL)
        app.set_class(drawn_as == "kitty" and self._unfit is None, KITTY)
        use_keys({})
        if self._wanted.keys:
            self._take_keys()

    def _take_keys(self) -> None:
        from tinv_tui.app.keymap import checked_keys  # 10 ms, where somebody has keys of their own

        try:
            keys = checked_keys(self._wanted.keys)
        except InputError as error:
            self._problems.append(error)
        else:
            use_keys(keys)
            self._app.set_keymap(keys)

    def put_on(self) -> None:
        """Before the first frame."""
        theme = self._wanted.theme
        if theme in self._app.available_themes:
            self._app.theme = theme
        elif theme is not None:
            known = ", ".join(sorted(self._app.available_themes))
            said = f"app.theme: there is no theme {theme}"
            self._problems.append(InputError("theme-unknown", said, f"Themes: {known}."))
        self._app.theme_changed_signal.subscribe(self._app, self._keep)

    async def tell_problems(self) -> None:
        """Say what is wrong in settings.toml, its default holding instead, and what this terminal cannot do."""
        from tinv_tui.settings import load_settings, settings_file

        problems = list(self._problems)
        try:
            await asyncio.to_thread(load_settings)
        except InputError as error:
            problems.append(error)
        for problem in problems:
            where = "" if str(settings_file()) in problem.message else f"{settings_file()}: "
            said = f"{where}{problem.message}. {problem.hint}"
            self._app.control.note(said, "bad", also_over_the_screen=False)
            self._app.notify(said, severity="error", timeout=15, markup=False)
        if self._unfit is not None:
            said = f"{self._unfit.message}. {self._unfit.hint}"
            self._app.control.note(said, "warning", also_over_the_screen=False)
            self._app.notify(said, severity="warning", timeout=15, markup=False)

    def _keep(self, theme: Theme) -> None:
        if theme.name != (self._wanted.theme or self._started_with):
            in_background(self._app, self._write(theme.name), group="theme", exclusive=True)

    async def _write(self, name: str) -> None:
        from tinv_tui.settings import keep_theme

        self._wanted = replace(self._wanted, theme=name)
        try:
            await asyncio.to_thread(keep_theme, name)
        except (InputError, OSError) as error:
            self._app.control.note(f"the theme is not kept: {error}", "bad")


def flat_keys(table: Any) -> dict[str, str]:
    """``"run.start" = "f10"`` and ``run.start = "f10"``, which TOML reads as a table in a table, are the same."""
    found = dict[str, str]()
    for name, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, dict):
            found |= {f"{name}.{rest}": keys for rest, keys in flat_keys(value).items()}
    return found
