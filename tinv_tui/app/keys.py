"""Every key of the app, once: bindings, the line at the bottom, the help screen and the command palette come from here.

No printable key starts, stops or deletes anything by itself: a terminal's own answers can arrive as key presses. The keys
that terminals, tmux and browsers keep for themselves are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType

from tinv_tui.app.modes import MODES, ModeName


@dataclass(frozen=True)
class Key:
    """``keys`` is comma-separated; ``live`` keys mean something only while the run on the screen is alive."""

    id: str
    keys: str
    action: str
    label: str
    help: str
    where: tuple[ModeName, ...] | None
    """The screens it belongs to; None for all of them."""
    live: bool = False
    foot: bool = True
    pane: str | None = None
    """The pane where it works and is shown; None for the whole screen."""

    def works_in(self, mode: ModeName) -> bool:
        return self.where is None or mode in self.where

    @property
    def default_names(self) -> list[str]:
        return [shown_name(key) for key in self.keys.split(",")]

    @property
    def names(self) -> list[str]:
        """The user's own keys where there are any."""
        return _own[self.id].split(",") if self.id in _own else self.default_names

    def shown(self, typing: bool) -> str | None:
        """The key to show; None when none of them works while text is typed."""
        usable = [name for name in self.names if not typing or len(name) > 1]
        return usable[0] if usable else None


LEAVE = "leave (run goes on)"
_FORMS: tuple[ModeName, ...] = tuple(mode.name for mode in MODES if mode.has_form)
_own: dict[str, str] = {}
_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "escape": "esc",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}

KEYS: tuple[Key, ...] = (
    Key("run.start", "ctrl+s", "start", "start", "Start training with the recipe of the form", ("train",)),
    Key("preprocess.start", "ctrl+s", "start", "start", "Preprocess; asks first for a folder in use", ("preprocess",)),
    Key("create.make", "ctrl+s", "create", "create", "Create the embedding the form says", ("create",)),
    Key("create.suggest", "f7", "suggest", "suggest", "Ask a captioner about a picture for the init text", ("create",)),
    Key("form.check", "ctrl+r", "check", "check", "Check the form now; nothing is started", _FORMS),
    Key(
        "form.choose",
        "ctrl+o",
        "choose",
        "choose",
        "Choose a value for this field, or one that an earlier run had there",
        _FORMS,
    ),
    Key("form.undo", "ctrl+z", "undo", "undo", "Take back the last edit of the form", _FORMS, foot=False),
    Key("form.redo", "ctrl+y", "redo", "redo", "Make again the edit that was taken back", _FORMS, foot=False),
    Key(
        "form.template",
        "f8",
        "edit_template",
        "edit template",
        "Edit a copy of the template, kept in TINV_HOME/templates",
        ("train",),
        foot=False,
    ),
    Key(
        "form.probe",
        "m",
        "probe",
        "probe speed and memory",
        "Measure speed and memory with a few training steps; nothing is kept",
        ("train",),
        foot=False,
    ),
    Key("form.save", "ctrl+l", "save_recipe", "save recipe", "Write the form to a recipe file", ("train",)),
    Key(
        "form.presets",
        "a",
        "presets",
        "presets…",
        "Sets of values for a subject, a style, a face, a fast try …; each is shown before it is taken",
        ("train",),
        foot=False,
    ),
    Key(
        "form.changed",
        "n",
        "changed",
        "new since last run",
        "What has changed in the form since the last run, old and new",
        ("train",),
        foot=False,
    ),
    Key(
        "form.demo",
        "d",
        "demo",
        "demo…",
        "Fill the form in for one of the bundled picture sets",
        ("train",),
        foot=False,
    ),
    Key("run.pause", "p", "pause", "pause", "Pause the run, or go on", ("train",), live=True),
    Key(
        "run.release",
        "b",
        "release",
        "give memory back…",
        "Pause the run and give its memory back; p goes on from there",
        ("train",),
        live=True,
        foot=False,
    ),
    Key("run.stop", "s", "stop", "stop…", "Stop the run; asks first", ("train",), live=True),
    Key(
        "run.change",
        "c",
        "change",
        "change…",
        "Change the rate, the steps, previews or intervals while the run goes on",
        ("train",),
        live=True,
        foot=False,
    ),
    Key("preprocess.stop", "s", "stop", "cancel…", "Cancel preprocessing; asks first", ("preprocess",)),
    Key("run.preview", "v", "preview", "preview", "Draw a preview now", ("train",), live=True),
    Key("run.save", "w", "save", "save", "Save a copy and a checkpoint now", ("train",), live=True),
    Key(
        "embedding.try",
        "t",
        "try",
        "try",
        "Draw with the finished embedding, beside the same prompt and seed without it",
        ("train",),
    ),
    Key("run.use", "u", "use", "use…", "Make a copy of this run the result; asks first", ("train",), foot=False),
    Key("form.find", "slash,ctrl+f", "find_field", "find", "Narrow the form to the fields you look for", ("train",)),
    Key("pane.zoom", "z", "zoom", "zoom", "Show this pane alone, and back", ("train",)),
    Key(
        "dataset.fix",
        "enter",
        "fix",
        "fix…",
        "What is wrong with the picture, and what can be done",
        ("train",),
        pane="dataset-pane",
    ),
    Key(
        "dataset.caption", "e", "caption", "caption", "Edit the caption of the picture", ("train",), pane="dataset-pane"
    ),
    Key(
        "dataset.exclude",
        "x",
        "exclude",
        "in/out",
        "Leave the picture out of the training, or take it back; no file is touched",
        ("train",),
        pane="dataset-pane",
    ),
    Key(
        "loss.window",
        "x",
        "window",
        "window",
        "Show the loss of all steps, of the last 1,000, of the last 100",
        ("train",),
        pane="loss-pane",
    ),
    Key(
        "loss.scale",
        "l",
        "scale",
        "log scale",
        "Draw the loss on a logarithmic scale, and back",
        ("train",),
        pane="loss-pane",
    ),
    Key(
        "dataset.filter",
        "slash",
        "filter",
        "find",
        "Narrow the list of pictures by name, caption or what is wrong",
        ("train",),
        pane="dataset-pane",
    ),
    Key(
        "dataset.all",
        "escape",
        "show_all",
        "all",
        "Show all pictures again",
        ("train",),
        pane="dataset-pane",
    ),
    Key(
        "dataset.words",
        "f",
        "words",
        "words",
        "How often the captions say what; enter shows the pictures that do",
        ("train",),
        pane="dataset-pane",
    ),
    Key(
        "preview.earlier",
        "comma,left_square_bracket",
        "earlier",
        "earlier",
        "Go to the preview before, of the same prompt and seed",
        ("train",),
        pane="preview-pane",
    ),
    Key(
        "preview.later",
        "full_stop,right_square_bracket",
        "later",
        "later",
        "Go to the preview after; the newest is followed",
        ("train",),
        pane="preview-pane",
    ),
    Key(
        "preview.full",
        "enter,f",
        "full_size",
        "full size",
        "Previews on the whole screen, with a strip of them through time",
        ("train",),
        pane="preview-pane",
    ),
    Key(
        "preview.mark",
        "a",
        "mark",
        "mark A",
        "Mark this preview: the one you go to then stands beside it",
        ("train",),
        pane="preview-pane",
    ),
    Key(
        "preview.originals",
        "o",
        "originals",
        "dataset",
        "A picture of the dataset beside the preview, or no longer",
        ("train",),
        pane="preview-pane",
    ),
    Key(
        "preview.prompt",
        "n",
        "next_prompt",
        "prompt",
        "Go to the preview with the next prompt",
        ("train",),
        pane="preview-pane",
    ),
    Key(
        "preview.copy",
        "y",
        "copy_path",
        "copy path",
        "Copy the path of the picture, for scp; says what it copied",
        ("train",),
        pane="preview-pane",
    ),
    Key("pane.next", "ctrl+g", "next_pane", "pane", "Go to the next pane (tab goes field by field)", ("train",)),
    Key("runs.attach", "enter", "attach", "open", "Watch this run on the train screen", ("runs",)),
    Key("runs.mark", "space", "mark", "mark", "Mark this run to compare it, or take the mark away", ("runs",)),
    Key("runs.compare", "c", "compare", "compare", "Compare the marked runs: curves, settings, previews", ("runs",)),
    Key("runs.resume", "r", "resume", "resume…", "Go on with a run that is over or lost; asks first", ("runs",)),
    Key("library.use", "enter", "use", "take to Train", "Train this embedding, or go on from it", ("library",)),
    Key("library.refresh", "r,ctrl+r", "refresh", "read again", "Read the library again", ("library",)),
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
        "With --slow-link: draw pictures all the same, or leave them out again",
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
    Key("app.commands", "colon,ctrl+p", "command_palette", "commands", "All commands, by name", None),
    Key("app.leave", "q,ctrl+q", "quit", "leave", "Leave; a run goes on", None),
)


def shown_name(key: str) -> str:
    return _NAMES.get(key, key)


def use_keys(own: Mapping[str, str]) -> None:
    """Have the user's own keys shown everywhere: by binding id, comma-separated. A process has one user."""
    _own.clear()
    _own.update(own)


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
