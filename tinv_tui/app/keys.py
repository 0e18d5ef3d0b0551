"""Every key of the app, once: bindings, the line at the bottom, the help screen and the command palette come from here.

No printable key starts, stops or deletes anything by itself: a terminal's own answers can arrive as key presses. The keys
that terminals, tmux and browsers keep for themselves are not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Where = Literal["app", "train", "runs"]


@dataclass(frozen=True)
class Key:
    """``keys`` is comma-separated; ``live`` keys mean something only while the run on the screen is alive."""

    id: str
    keys: str
    action: str
    label: str
    help: str
    where: Where
    live: bool = False
    foot: bool = True

    @property
    def names(self) -> list[str]:
        return [_NAMES.get(key, key) for key in self.keys.split(",")]

    def shown(self, typing: bool) -> str | None:
        """The key to show; None when none of them works while text is typed."""
        usable = [name for name in self.names if not typing or len(name) > 1]
        return usable[0] if usable else None


LEAVE = "leave (run goes on)"
_NAMES = {"question_mark": "?", "colon": ":"}

KEYS: tuple[Key, ...] = (
    Key("run.start", "ctrl+s", "start", "start", "Start training with the recipe of the form", "train"),
    Key("form.check", "ctrl+r", "check", "check", "Check the form now; nothing is started", "train"),
    Key("form.choose", "ctrl+o", "choose", "choose", "Choose a value for this field from a list", "train"),
    Key("form.save", "ctrl+l", "save_recipe", "save recipe", "Write the form to a recipe file", "train"),
    Key("run.pause", "p", "pause", "pause", "Pause the run, or go on", "train", live=True),
    Key("run.stop", "s", "stop", "stop…", "Stop the run; asks first", "train", live=True),
    Key("run.preview", "v", "preview", "preview", "Draw a preview now", "train", live=True),
    Key("run.save", "w", "save", "save", "Save a copy and a checkpoint now", "train", live=True),
    Key("pane.zoom", "z", "zoom", "zoom", "Show this pane alone, and back", "train"),
    Key("pane.next", "ctrl+g", "next_pane", "pane", "Go to the next pane (tab goes field by field)", "train"),
    Key("runs.attach", "enter", "attach", "open", "Watch this run on the train screen", "runs"),
    Key("app.train", "1,f2", "show('train')", "train", "The train screen", "app", foot=False),
    Key("app.runs", "2,f3", "show('runs')", "runs", "The list of runs", "app", foot=False),
    Key("app.help", "question_mark,f1", "help", "help", "Help on this field or pane, and all keys", "app"),
    Key("app.commands", "colon,ctrl+p", "command_palette", "commands", "All commands, by name", "app"),
    Key("app.leave", "q,ctrl+q", "quit", "leave", "Leave; a run goes on", "app"),
)


def bindings(where: Where) -> list[BindingType]:
    """The bindings of the app or of one screen."""
    return [
        Binding(key.keys, key.action, key.label, id=key.id, tooltip=key.help, show=False, priority="ctrl+q" in key.keys)
        for key in KEYS
        if key.where == where
    ]


def foot_keys(where: Where, *, typing: bool, live: bool, paused: bool) -> list[tuple[str, str]]:
    """Key and label of what the bottom line shows, most needed first."""
    found: list[tuple[Key, str, str]] = []
    for key in KEYS:
        if not key.foot or key.where not in ("app", where) or (key.live and not live):
            continue
        if key.id in ("form.check", "form.choose", "form.save") and not typing:
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
        found.sort(key=lambda item: (item[0].where == "app", not item[0].live))
    return [(shown, label) for _, shown, label in found]
