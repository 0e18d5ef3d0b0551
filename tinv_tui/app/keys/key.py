"""A key of the app, and the user's own key for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tinv_tui.app.modes import ModeName


@dataclass(frozen=True)
class Key:
    """``keys`` is comma-separated; ``live`` keys mean something only while the run on the screen is alive."""

    id: str
    keys: str
    action: str
    label: str
    help: str
    where: tuple[ModeName, ...] | None = ()
    """The screens of the top bar it belongs to; None for all of them."""
    live: bool = False
    foot: bool = True
    pane: str | None = None
    """The pane where it works and is shown; None for the whole screen."""
    priority: bool = False
    """Whether it comes before what the focus has for it."""

    @property
    def group(self) -> str:
        """The dialog or widget of keys that belong to no screen of the top bar."""
        return self.id.partition(".")[0]

    def works_in(self, mode: ModeName) -> bool:
        return self.where is None or mode in self.where

    @property
    def default_names(self) -> list[str]:
        return [shown_name(key) for key in self.keys.split(",")]

    @property
    def names(self) -> list[str]:
        """The user's own keys where there are any."""
        return [shown_name(key) for key in _own[self.id].split(",")] if self.id in _own else self.default_names

    def shown(self, typing: bool) -> str | None:
        """The key to show; None when none of them works while text is typed."""
        usable = [name for name in self.names if not typing or len(name) > 1]
        return usable[0] if usable else None


_own: dict[str, str] = {}
_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "minus": "-",
    "escape": "esc",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}
_KEYS = {name: key for key, name in _NAMES.items()}


def shown_name(key: str) -> str:
    return _NAMES.get(key, key)


def is_text(key: str) -> bool:
    """Whether a field would take it as a letter."""
    return key == "space" or (len(shown_name(key)) == 1 and key not in ("left", "right", "up", "down"))


def key_named(name: str) -> str:
    """The key of a name as it is shown; other names are keys already."""
    return _KEYS.get(name, name)


def use_keys(own: Mapping[str, str]) -> None:
    """Have the user's own keys shown everywhere: by id, the keys of each comma-separated. A process has one user."""
    _own.clear()
    _own.update(own)
