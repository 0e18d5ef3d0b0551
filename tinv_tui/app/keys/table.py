"""All rows together, and what is made of them: bindings, and the line at the bottom."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tinv_tui.app.keys.anywhere import ANYWHERE
from tinv_tui.app.keys.key import Key
from tinv_tui.app.keys.panes import PANES
from tinv_tui.app.keys.screens import SCREENS
from tinv_tui.app.modes import ModeName

LEAVE = "leave (run goes on)"
KEYS: tuple[Key, ...] = (*SCREENS, *PANES, *ANYWHERE)


def name_of(key_id: str) -> str:
    """The key for something, as it is shown."""
    return next(key.names[0] for key in KEYS if key.id == key_id)


def bindings(mode: ModeName | None, pane: str | None = None) -> list[BindingType]:
    """The bindings of one screen, or with None those of the whole app; with ``pane`` those of one of its panes."""
    return [
        Binding(key.keys, key.action, key.label, id=key.id, tooltip=key.help, show=False, priority="ctrl+q" in key.keys)
        for key in KEYS
        if key.pane == pane and (key.where is None if mode is None else key.where is not None and mode in key.where)
    ]


def foot_keys(
    mode: ModeName, *, typing: bool, live: bool, paused: bool, pane: str | None = None
) -> list[tuple[str, str]]:
    """Key and label of what the bottom line shows, most needed first: those of the ``pane`` in focus before all."""
    found: list[tuple[Key, str, str]] = []
    for key in KEYS:
        if not key.foot or not key.works_in(mode) or (key.live and not live) or key.pane not in (None, pane):
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
