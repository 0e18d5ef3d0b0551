"""The user's own keys, the table ``[keys]`` of settings.toml, held against the table of all keys."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from tinv_tui.app.keys import ALL_KEYS, DIALOGS, KEYS, TYPED_IN, Key, is_text, key_named, shown_name
from tinv_tui.app.modes import MODES
from tinv_tui.errors import InputError

_TAKEN = ("tab", "shift+tab", "escape", "ctrl+c", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m")
"""What forms and dialogs need, and what reaches no program as itself; a key that has one may keep it."""
_STARTS = ("start", "create", "fetch", "measure")
"""Actions that begin something without a question: a terminal's own answers can arrive as printable keys."""


def checked_keys(own: Mapping[str, str]) -> dict[str, str]:
    """The keys of each id, comma-separated. Raises InputError for an unknown id, an unfit key or a clash."""
    by_id = {key.id: key for key in ALL_KEYS}
    found = dict[str, str]()
    for key_id, keys in own.items():
        if key_id not in by_id:
            near = difflib.get_close_matches(key_id, by_id, n=1, cutoff=0.4)
            hint = f"Did you mean {near[0]}?" if near else "The help of the app shows each key's id."
            raise InputError("key-unknown", f"keys: there is no {key_id}", hint)
        names = [key_named(name.strip()) for name in keys.split(",")]
        for name in names:
            _check_fit(by_id[key_id], name)
        found[key_id] = ",".join(names)
    _check_clashes(found)
    return found


def _check_fit(key: Key, name: str) -> None:
    said = shown_name(name)
    if not name or " " in name:
        raise InputError("key-unfit", f"keys.{key.id}: a key is missing", 'Write keys as "f10" or "x,ctrl+x".')
    if name in _TAKEN and name not in key.keys.split(","):
        raise InputError("key-unfit", f"keys.{key.id}: {said} is needed elsewhere", "Choose another key.")
    if key.action in _STARTS and is_text(name):
        raise InputError(
            "key-unfit",
            f"keys.{key.id}: {said} alone would start something",
            "A terminal's own answers can arrive as letters: choose ctrl+… or an F-key.",
        )
    if key.where == () and key.group in TYPED_IN and is_text(name):
        raise InputError(
            "key-unfit", f"keys.{key.id}: {said} is text where this key works", "Choose ctrl+… or an F-key."
        )


def _check_clashes(own: Mapping[str, str]) -> None:
    """A pane may use a key that another pane or the whole screen has too: in that pane it is the pane's."""
    for where, keys in _live_at_once():
        holders = dict[str, Key]()
        for key in keys:
            for name in own.get(key.id, key.keys).split(","):
                other = holders.setdefault(name, key)
                if other is not key and (key.id in own or other.id in own):
                    said = f"keys: {shown_name(name)} is both {other.id} and {key.id} {where}"
                    raise InputError("key-clash", said, "Give one of them another key.")


def _live_at_once() -> Iterator[tuple[str, Iterable[Key]]]:
    for mode in MODES:
        here = [key for key in KEYS if key.works_in(mode.name)]
        for pane in {key.pane for key in here}:
            yield f"on the {mode.label} screen", [key for key in here if key.pane == pane]
    for dialog in DIALOGS:
        yield f"in {dialog.title}", [key for key in ALL_KEYS if key.group in (dialog.name, *dialog.holds)]
    for group in dict.fromkeys(key.group for key in ALL_KEYS if key.where == ()):
        yield f"in a {group}", [key for key in ALL_KEYS if key.where == () and key.group == group]
