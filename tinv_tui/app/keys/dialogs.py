"""The keys of the dialogs. A dialog's ids begin with its name; the lists and fields it holds have keys of their own."""

from __future__ import annotations

from dataclasses import dataclass

from tinv_tui.app.keys.key import Key


@dataclass(frozen=True)
class Dialog:
    name: str
    title: str
    keys: tuple[Key, ...]
    holds: tuple[str, ...] = ()
    """What else has keys while it is open: widgets, and a pane whose keys it takes over."""


def _help(dialog: str, keys: str = "question_mark,f1") -> Key:
    return Key(f"{dialog}.help", keys, f"help('{dialog}')", "help", "What this is, and its keys")


DIALOGS: tuple[Dialog, ...] = (
    Dialog(
        "compare",
        "Compare",
        (
            Key("compare.curve", "e", "swap_curve", "training/evaluation", "The training loss, or the evaluation loss"),
            Key("compare.scale", "l", "scale", "log scale", "Draw the loss on a logarithmic scale, and back"),
            Key("compare.earlier", "left", "go(-1)", "earlier", "Previews of an earlier step"),
            Key("compare.later", "right", "go(1)", "later", "Previews of a later step"),
            Key("compare.export", "x", "export", "CSV", "Write the curves as CSV"),
            _help("compare"),
            Key("compare.close", "escape,q", "close", "close", "Close"),
        ),
    ),
    Dialog(
        "previews",
        "Previews on the whole screen",
        (
            Key("previews.earlier", "left", "earlier", "earlier", "Go to the preview before"),
            Key("previews.later", "right", "later", "later", "Go to the preview after"),
            Key("previews.picture_before", "up", "original(-1)", "before", "The dataset's picture before this one"),
            Key("previews.picture_after", "down", "original(1)", "after", "The dataset's picture after this one"),
            _help("previews"),
            Key("previews.close", "escape,q", "full_size", "back", "Back to the pane"),
        ),
        ("preview",),
    ),
    Dialog(
        "caption",
        "Caption editor",
        (
            Key("caption.keep", "ctrl+s", "keep('kept')", "keep", "Keep the caption"),
            Key("caption.next", "ctrl+g", "keep('next')", "keep, next picture", "Keep it and edit the next picture's"),
            _help("caption", "f1"),
            Key("caption.leave", "escape", "leave", "leave without", "Leave it as it was", priority=True),
        ),
    ),
    Dialog(
        "words",
        "Words of the captions",
        (
            Key("words.turn", "t", "turn", "tags/words", "Count tags, or words"),
            Key("words.leave", "escape,q", "leave", "close", "Close"),
        ),
        ("list",),
    ),
    Dialog(
        "template",
        "Template editor",
        (
            Key("template.keep", "ctrl+s", "keep", "keep", "Keep the template"),
            Key("template.leave", "escape", "leave", "leave without", "Leave it as it was", priority=True),
        ),
    ),
    Dialog(
        "models",
        "Base models",
        (
            Key("models.hash", "f7", "hash", "hash", "Compute the hash that A1111 tells a model by"),
            Key("models.add", "f8", "add", "add a folder", "List the models of another folder too"),
            Key("models.again", "ctrl+r", "read_again", "read again", "Read the folders again"),
            Key("models.down", "down", "screen.move(1)", "down", "The next model"),
            Key("models.up", "up", "screen.move(-1)", "up", "The model before"),
            Key("models.page_down", "pagedown", "screen.move_page(1)", "page down", "A page down"),
            Key("models.page_up", "pageup", "screen.move_page(-1)", "page up", "A page up"),
            _help("models", "f1"),
            Key("models.leave", "escape", "leave", "close", "Stop hashing, or close"),
        ),
    ),
    Dialog(
        "try",
        "Try",
        (_help("try", "f1"), Key("try.leave", "escape", "leave", "close", "Stop drawing, or close")),
        ("field",),
    ),
    Dialog(
        "probe",
        "Probe",
        (
            Key("probe.measure", "enter", "measure", "measure", "Measure speed and memory"),
            Key("probe.leave", "escape", "leave", "cancel", "Stop measuring and close"),
        ),
    ),
    Dialog(
        "fetch",
        "Fetch a model",
        (
            Key("fetch.fetch", "enter", "fetch", "fetch", "Fetch the model from the Hub"),
            Key("fetch.leave", "escape", "leave", "cancel", "Stop fetching and close; whole files stay"),
        ),
    ),
    Dialog(
        "presets",
        "Presets",
        (Key("presets.cancel", "escape,q", "cancel", "cancel", "Close, with none taken"),),
        ("list",),
    ),
    Dialog("changed", "Changed since", (Key("changed.close", "escape,q,n", "cancel", "close", "Close"),), ("list",)),
    Dialog(
        "pick",
        "Choose a value",
        (
            Key("pick.again", "r,ctrl+r", "read_again", "read again", "Look again at what there is to choose"),
            Key("pick.cancel", "escape,q", "cancel", "cancel", "Close, with none taken"),
        ),
        ("list",),
    ),
    Dialog(
        "welcome",
        "Welcome",
        (
            Key("welcome.demo", "d", "take('demo')", "see the demo", "Train on a bundled set of pictures"),
            Key("welcome.pictures", "o", "take('pictures')", "open a folder", "Begin with pictures of your own"),
            Key("welcome.run", "r", "take('run')", "pick up a run", "Watch a run that is kept somewhere else"),
            _help("welcome"),
            Key("welcome.form", "escape,q", "leave", "to the form", "To the form"),
        ),
        ("list",),
    ),
    Dialog("value", "Change a value", (Key("value.cancel", "escape", "cancel", "cancel", "Leave it"),), ("field",)),
    Dialog(
        "path", "A path", (Key("path.cancel", "escape", "cancel", "cancel", "Close; nothing is written"),), ("field",)
    ),
    Dialog(
        "confirm",
        "Questions",
        (
            Key("confirm.previous", "up,left", "app.focus_previous", "previous", "The answer before"),
            Key("confirm.next", "down,right", "app.focus_next", "next", "The next answer"),
            Key("confirm.cancel", "escape", "cancel", "cancel", "Cancel"),
        ),
    ),
    Dialog("help", "Help", (Key("help.close", "escape,q,question_mark,f1,enter", "close", "close", "Close the help"),)),
)

TYPED_IN = frozenset({"caption", "template", "models", "try", "value", "path", "field", "filter", "finder"})
"""Where letters are text, and so no keys."""
