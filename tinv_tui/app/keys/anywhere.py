"""The keys of the whole app."""

from __future__ import annotations

from tinv_tui.app.keys.key import Key
from tinv_tui.app.modes import MODES

ANYWHERE: tuple[Key, ...] = (
    *(
        Key(f"app.{mode.name}", mode.keys, f"show('{mode.name}')", mode.label.lower(), mode.help, None, foot=False)
        for mode in MODES
    ),
    Key(
        "app.models",
        "f9",
        "models",
        "models…",
        "The base models of this machine, to take one into the form",
        None,
        foot=False,
    ),
    Key(
        "app.pictures",
        "i",
        "pictures",
        "pictures",
        "Draw the screen anew, where something else wrote on it; over a slow link with pictures, or without",
        None,
        foot=False,
    ),
    Key(
        "app.theme",
        "T",
        "change_theme",
        "theme…",
        "Choose other colours, light ones or the terminal's own; the choice is kept",
        None,
        foot=False,
    ),
    Key("app.help", "question_mark,f1", "help", "help", "Help on this field or pane, and all keys", None),
    Key(
        "app.commands",
        "colon,ctrl+p",
        "command_palette",
        "commands",
        "All commands, and the fields of the form, by name",
        None,
    ),
    Key(
        "app.leave",
        "q,ctrl+q",
        "quit",
        "leave",
        "Leave (quit, exit); a run goes on, and Train's form is kept",
        None,
        priority=True,
    ),
)
