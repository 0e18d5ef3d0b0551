"""The user's own keys, the table ``[keys]`` of settings.toml, held against the table of all keys."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from tinv_tui.app.keys import KEYS, Key, shown_name
from tinv_tui.app.modes import MODES
from tinv_tui.errors import InputError

_TAKEN = ("tab", "shift+tab", "escape", "ctrl+c", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m")
"""What forms and dialogs need, and what reaches no program as itself."""
_STARTS = ("start", "create")
"""Actions that begin something without a question: a terminal's own answers can arrive as printable keys."""


def checked_keys(own: Mapping[str, str]) -> dict[str, str]:
    """Binding id and comma-separated keys, as shown. Raises InputError for an unknown id, an unfit key or a clash."""
    by_id = {key.id: key for key in KEYS}
    found = dict[str, str]()
    for key_id, keys in own.items():
        if key_id not in by_id:
            near = difflib.get_close_matches(key_id, by_id, n=1, cutoff=0.4)
            hint = f"Did you mean {near[0]}?" if near else "The help of the app shows each key's id."
            raise InputError("key-unknown", f"keys: there is no {key_id}", hint)
        names = [shown_name(name.strip()) for name in keys.split(",")]
        for name in names:
            _check_fit(by_id[key_id], name)
        found[key_id] = ",".join(names)
    _check_clashes(found)
    return found


def _check_fit(key: Key, name: str) -> None:
    if not name or " " in name:
        raise InputError("key-unfit", f"keys.{key.id}: a key is missing", 'Write keys as "f10" or "x,ctrl+x".')
    if name in _TAKEN:
        raise InputError("key-unfit", f"keys.{key.id}: {name} is needed elsewhere", "Choose another key.")
    if key.action in _STARTS and len(name) == 1:
        said = f"keys.{key.id}: {name} alone would start something"
        raise InputError(
            "key-unfit", said, "A terminal's own answers can arrive as letters: choose ctrl+… or an F-key."
        )


def _check_clashes(own: Mapping[str, str]) -> None:
    """A pane may use a key that another pane or the whole screen has too: in that pane it is the pane's."""
    for mode in MODES:
        holders = dict[str, list[Key]]()
        for key in (key for key in KEYS if key.works_in(mode.name)):
            for name in own.get(key.id, ",".join(key.default_names)).split(","):
                for other in holders.setdefault(name, []):
                    if other is not key and other.pane == key.pane:
                        said = f"keys: {name} is both {other.id} and {key.id} on the {mode.label} screen"
                        raise InputError("key-clash", said, "Give one of them another key.")
                holders[name].append(key)
