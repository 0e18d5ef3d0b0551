"""All rows together, and what is made of them: bindings, the line at the bottom, the line of keys in a dialog."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from textual.binding import Binding, BindingType

from tinv_tui.app.keys.anywhere import ANYWHERE
from tinv_tui.app.keys.dialogs import DIALOGS
from tinv_tui.app.keys.key import Key, is_text
from tinv_tui.app.keys.panes import PANES
from tinv_tui.app.keys.screens import SCREENS
from tinv_tui.app.keys.widgets import WIDGETS
from tinv_tui.app.modes import ModeName

LEAVE = "leave (run goes on)"
KEYS: tuple[Key, ...] = (*SCREENS, *PANES, *ANYWHERE)
"""Those of the screens of the top bar."""
ALL_KEYS: tuple[Key, ...] = (*KEYS, *(key for dialog in DIALOGS for key in dialog.keys), *WIDGETS)
_BY_ID = {key.id: key for key in ALL_KEYS}
_PAIRS = ("←→", "↑↓")
_NAMED = re.compile(r"\{([a-z]+\.[a-z_]+)\}")


def name_of(key_id: str) -> str:
    """The key for something, as it is shown."""
    return _BY_ID[key_id].names[0]


def with_keys(text: str) -> str:
    """A text with the keys it speaks of: ``{pane.zoom}`` becomes ``z``, or what the user has put in its place."""
    return _NAMED.sub(lambda found: name_of(found[1]), text)


def bindings(mode: ModeName | None, pane: str | None = None) -> list[BindingType]:
    """The bindings of one screen, or with None those of the whole app; with ``pane`` those of one of its panes."""
    return _bound(
        key
        for key in KEYS
        if key.pane == pane and (key.where is None if mode is None else key.where is not None and mode in key.where)
    )


def bindings_of(group: str, *ids: str) -> list[BindingType]:
    """The bindings of a dialog or a widget; with ``ids`` those alone."""
    rows = [key for key in ALL_KEYS[len(KEYS) :] if key.group == group]
    return _bound(key for key in rows if not ids or key.id in ids)


def _bound(keys: Iterable[Key]) -> list[BindingType]:
    """A letter never comes before what the focus, or a dialog, has for it."""
    return [
        Binding(
            name,
            key.action,
            key.label,
            id=key.id,
            tooltip=key.help,
            show=False,
            priority=key.priority and not is_text(name),
        )
        for key in keys
        for name in key.keys.split(",")
    ]


def hint(key_id: str, label: str = "") -> str:
    """``esc close``: a key and what it does, for the line of keys in a dialog. ``label`` in place of the table's."""
    return f"{name_of(key_id)} {label or _BY_ID[key_id].label}"


def pair(first: str, second: str, label: str) -> str:
    """``←→ step``, or ``h/k step``: two keys that do the same to both sides."""
    both = name_of(first) + name_of(second)
    return f"{both if both in _PAIRS else f'{name_of(first)}/{name_of(second)}'} {label}"


def fitting(hints: Sequence[str], width: int) -> str:
    """As many as fit, most needed first; the last one, which leaves, is always among them."""
    for gap in (3, 2):
        if sum(map(len, hints)) + gap * (len(hints) - 1) <= width:
            return (" " * gap).join(hints)
    kept, room = list[str](), width - len(hints[-1])
    for said in hints[:-1]:
        if len(said) + 2 <= room:
            kept.append(said)
            room -= len(said) + 2
    return "  ".join([*kept, hints[-1]])


def foot_keys(
    mode: ModeName, *, typing: bool, live: bool, paused: bool, pane: str | None = None, idle: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Key and label of what the bottom line shows, most needed first: those of the ``pane`` in focus before all.

    ``idle`` are the ids of keys that would do nothing now.
    """
    found: list[tuple[Key, str, str]] = []
    for key in KEYS:
        if (
            not key.foot
            or key.id in idle
            or not key.works_in(mode)
            or (key.live and not live)
            or key.pane not in (None, pane)
        ):
            continue
        if key.id in ("form.check", "form.choose", "form.save") and not typing:
            continue
        if (key.id == "dataset.fix" and typing) or (key.id == "dataset.all" and not typing):
            continue
        shown = key.shown(typing)
        if shown is None:
            continue
        label = key.label
        if key.id == "run.pause" and paused:
            label = "go on"
        elif key.id == "app.leave" and live:
            label = LEAVE
        found.append((key, shown, label))
    if live and not typing:
        found.sort(key=lambda item: (item[0].where is None, not item[0].live))
    found.sort(key=lambda item: item[0].pane is None)
    own = {shown for key, shown, _ in found if key.pane is not None}  # in its pane, where its screen's are not heard
    return [(shown, label) for key, shown, label in found if key.pane is not None or shown not in own]
