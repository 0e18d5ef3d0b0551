"""Help on the field or pane that has the focus, and all keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tinv_tui.app.keys import DIALOGS, Group, Key, bindings_of, groups_in, groups_on, hint, with_keys
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.wording import Line
from tinv_tui.printable import wrapped

PANES: dict[str, tuple[str, str]] = {  # title and text; keys stand in it by their ids
    "form-pane": (
        "Train",
        "While a run is on, and all panes are in sight, the form is folded to what the run trains: its recipe with what was "
        "changed on the way, and of what one seldom sets only what is not as usual. {form.unfold} opens the form, to fill it "
        "in for another run; esc leaves it, and it folds again. {pane.fold} folds any pane, and unfolds it.",
    ),
    "loss-pane": (
        "Loss",
        "How far the picture that the model predicts is from the training picture. Lower is better; zero can neither be "
        "reached nor is it wanted, as such an embedding could only draw the training pictures. The loss of one step is "
        "noise: each step draws another picture, noise and timestep. The line to trust is eval, which is measured on the "
        "same pictures, noises and timesteps every time, with best, its lowest value so far and the step it was reached at. "
        "smooth is a running mean of the training loss, which the curve shows; alone ({pane.zoom}) it is a line over the "
        "training loss itself. The marks on the axis: ◆ a new rate, • a copy, ◦ a preview, « back to an earlier step. Where "
        "no loss is known the curve has a gap. nan would mean that the rate was too high: the run then goes back to its last "
        "good step and on at half the rate; after three times it ends, and that step is kept. norm is the length of each "
        "vector, grad that of a step's gradient before it is clipped.",
    ),
    "gpu-pane": (
        "GPU",
        "What the NVIDIA driver reports: load, temperature, power, and memory (vram) with how much of it this run and other "
        "programs hold. Alone ({pane.zoom}) it draws them over time, and tells clocks, what holds them back (heat, a power "
        "limit) and each process. A – stands for what the driver does not say. Beside it the processor, the host's memory, "
        "and the disk that holds TINV_HOME. Without an NVIDIA GPU training runs on the processor.",
    ),
    "preview-pane": (
        "Newest preview",
        "A picture the run has drawn with the embedding as it was then: the newest, or with {preview.earlier} and "
        "{preview.later} one before or after it, of the same prompt and seed where there are several. {preview.mark} marks "
        "one as A; the one you go to then stands beside it as B. {preview.originals} puts a picture of the dataset beside "
        "it. {preview.full} shows them on the whole screen, with a strip through time. The whole file is at the path below "
        "it, which {preview.copy} copies. {run.preview} draws one now; training waits meanwhile.",
    ),
    "dataset-pane": (
        "Dataset",
        "The pictures of the dataset folder with their size, whether they have a caption, and what is wrong with them. "
        "Below: the chosen picture, its caption, and after → one prompt the trainer makes of it with the template. A prompt "
        "of more than 75 tokens takes several passes of the text encoder. Last, what is wrong with the picture and with the "
        "whole set, and what to do. Pixels are looked at in the background: copies, blur and low variety show after a while. "
        "tinv-tui check says the same. {dataset.caption} edits the caption, the .txt file beside the picture; "
        "{dataset.exclude} leaves the picture out of the training (○), and takes it back, which dataset.exclude of the "
        "recipe says. {dataset.fix} says what is wrong with it and offers what can be done. {dataset.filter} narrows the "
        "list by names, captions and marks (small, no caption, left out), tag:… and word:… by what captions say; "
        "{dataset.words} counts their tags or words.",
    ),
    "preprocess-pane": (
        "Preprocess images",
        "Turns a folder of any pictures into a dataset: one size, mirror images, captions. The source is only read. "
        "Beside the form stands what will be written; nothing is, until you start.",
    ),
    "written-pane": (
        "What will be written",
        "Each picture with its number, part and source name, and what is skipped and why. Pictures are numbered in the "
        "order of their names. A file that proves broken only when it is read is skipped during the job.",
    ),
    "preprocess-job": (
        "Job",
        "How far preprocessing is, how many source pictures it makes in a second, and what was skipped. {preprocess.stop} "
        "cancels it, and leaving the app does too; what is written by then is whole.",
    ),
    "log-pane": ("Log", "What the run told, newest at the bottom. Up, down, page up and page down look back."),
    "create-pane": (
        "Create embedding",
        "A name and a phrase become an embedding at step 0: its vectors start as the model's own vectors of the phrase's "
        "tokens. It lies in TINV_HOME/embeddings, and the train screen is told its name. {create.suggest} asks a captioner "
        "about one picture of the dataset, and once more about the next one; what it says is a good phrase to start from.",
    ),
    "library-list": (
        "Library",
        "Every file of TINV_HOME/embeddings. Those that cannot be read, or do not fit the base model of the train screen, "
        "say why. {library.use} takes one to the train screen: one at step 0 to train it, another to go on from it. Norms "
        "are the lengths of its vectors, from the shortest to the longest; those of words are mostly below 0.5 in SD 1.x.",
    ),
    "runs-list": (
        "Runs",
        "Every run below TINV_HOME/runs, and below every other log directory that was used, newest first. {runs.attach} "
        "shows one on the train screen.",
    ),
}
_DIALOGS = {
    "welcome": "Three ways to begin, each with a letter of its own; the form is behind this, and stays. The demo fills the "
    "form in and asks before it trains. A folder of pictures goes into the form. A run may lie anywhere: in its own folder, "
    "or in one that holds runs.",
    "compare": "Runs side by side, each with a letter. The curve is the smoothed training loss, and smooth its last value; "
    "{compare.curve} shows the evaluation loss, which is the one to trust where both were measured on the same pictures. "
    "Below are the settings in which the runs differ, and the previews of one step. tinv-tui compare tells the same.",
    "previews": "The preview that is chosen, as large as it fits, and below it those before and after. {preview.mark} marks "
    "one as A: the one you go to then stands beside it as B. {preview.originals} puts a picture of the dataset beside it.",
    "caption": "The caption is the .txt file beside the picture. Below it stands how many tokens it takes, and a prompt that "
    "the trainer makes of it with the template.",
    "models": "The base models found in TINV_HOME/models, in the folders that you added, and in the Hub's cache. What is typed "
    "narrows the list; owner/name is a model of the Hub, which enter fetches. Those that cannot be trained on say why.",
    "try": "Draws the same prompt and seed twice: with the embedding, and without it, where its name is plain text. What "
    "differs is what it has learned. An empty seed is a new one each time. The pictures stay in TINV_HOME/pictures.",
}
_GENERAL = (
    "tinv-tui",
    "Fill in the form, start, and watch. Leaving never stops a run: it goes on in a process of its own.",
)


class HelpScreen(Dialog[None]):
    BINDINGS: ClassVar[list[BindingType]] = bindings_of("help")

    def __init__(self, title: str, text: str, keys: list[Group] | None = None) -> None:
        """``keys`` are those to show; None for all, those of the screen below first."""
        super().__init__()
        self._title = title
        self._text = text
        self._keys = keys

    def compose(self) -> ComposeResult:
        keys = self._keys if self._keys is not None else self._keys_below()
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            with VerticalScroll(id="help-body"):
                yield Static(self._text, classes="dialog-text", markup=False)
                yield _KeyTable(keys)
            yield DialogKeys("↑↓ scroll", hint("help.close"))

    def _keys_below(self) -> list[Group]:
        from tinv_tui.app.screens.mode_screen import ModeScreen

        titles = {pane: title for pane, (title, _) in PANES.items()}
        screen = next((s for s in reversed(self.app.screen_stack) if isinstance(s, ModeScreen)), None)
        if screen is None:
            return []
        pane = (
            screen.pane_in_focus() if screen.field_in_focus is None else None
        )  # a form's keys are those of its screen
        return groups_on(screen.mode_name, pane, titles)

    def on_mount(self) -> None:
        self.query_one("#help-body").focus()

    def action_close(self) -> None:
        self.dismiss(None)


class _KeyTable(Lines):
    """Groups of keys: their names, what they do, and the id by which a keymap of one's own calls each."""

    DEFAULT_CSS = "_KeyTable { height: auto; }"

    def __init__(self, groups: list[Group]) -> None:
        super().__init__(id="help-keys")
        self._groups = groups

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        self._lines = tuple(_key_lines(self._groups, width))
        return len(self._lines)


_NAMES_WIDTH = 11


def _key_lines(groups: list[Group], width: int) -> Iterator[Line]:
    for number, (heading, keys) in enumerate(groups):
        if number:
            yield ()
        yield ((heading, "accent"),)
        for key in keys:
            yield from _key_row(key, width)


def _key_row(key: Key, width: int) -> Iterator[Line]:
    """Every row of it stands beside the names, below the one before."""
    names = f"{' '.join(key.names):<{_NAMES_WIDTH - 1}} "
    rows = wrapped(f"{key.help}  {key.id}", max(8, width - len(names)), break_on_hyphens=False)
    for row in rows:
        own = key.id if row.endswith(key.id) else ""
        yield ((names, "value"), (row.removesuffix(own), ""), (own, "label"))
        names = " " * len(names)


def help_on_pane(pane: str | None) -> HelpScreen:
    title, text = PANES.get(pane or "", _GENERAL)
    return HelpScreen(title, with_keys(text))


def help_in_dialog(name: str) -> HelpScreen:
    title = next(dialog.title for dialog in DIALOGS if dialog.name == name)
    return HelpScreen(title, with_keys(_DIALOGS[name]), groups_in(name))


def help_on_field(key: str) -> HelpScreen:
    """The text under the setting's declaration, what it may hold, and its default."""
    from tinv_tui.recipe import allowed_values, field_of

    info = field_of(key)
    text = " ".join((info.description or "").split())
    default = "none" if info.default in ("", ()) else str(info.default)
    return HelpScreen(key, f"{text}\n\nTakes {allowed_values(key)}. Default: {default}.")
