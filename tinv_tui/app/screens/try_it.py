"""Draws with a finished embedding, beside the same prompt and seed without it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static
from textual.worker import Worker

from tinv_tui.app import wording
from tinv_tui.app.background import in_background
from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.app.widgets.text_field import TextField
from tinv_tui.app.wording import Line

if TYPE_CHECKING:
    from tinv_tui.app.trial import Trial
    from tinv_tui.errors import InputError

_SHOWN_EVERY_SECONDS = 1.0


class TryScreen(Dialog[None]):
    """Closing it ends what is being drawn; pictures that are done stay where they are."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("try")

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self._trial = trial
        self._drawing: Worker[None] | None = None
        self._paths: dict[bool, Path] = {}

    def compose(self) -> ComposeResult:
        trial = self._trial
        with Vertical(classes="dialog"):
            title = f"Try {trial.name} on {Path(trial.recipe.model.path).name}"
            yield Static(title, classes="dialog-title", markup=False)
            with Horizontal(classes="try-row"):
                yield Static("Prompt", classes="try-label", markup=False)
                yield TextField(id="try-prompt")
            with Horizontal(classes="try-row"):
                yield Static("Seed", classes="try-label", markup=False)
                yield TextField(id="try-seed", placeholder="random")
            with Horizontal(id="try-titles"):
                yield Static(f"with {trial.name}", markup=False)
                yield Static("without: the name is plain text", markup=False)
            with Horizontal(id="try-pictures"):
                yield Picture(id="try-with", empty="enter draws")
                yield Picture(id="try-without")
            yield Lines(id="try-words")
            yield DialogKeys(*_hints(drawing=False))

    def on_mount(self) -> None:
        self.query_one("#try-prompt", TextField).value = self._trial.prompt
        self.query_one("#try-seed", TextField).value = str(self._trial.recipe.preview.seed)
        self.query_one("#try-prompt", TextField).focus()

    @property
    def is_drawing(self) -> bool:
        return self._drawing is not None and not self._drawing.is_finished

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.is_drawing:
            self._drawing = in_background(self, self._draw(), group="draw")

    def action_leave(self) -> None:
        """Stop what is being drawn; with nothing under way, close."""
        if self.is_drawing and self._drawing is not None:
            self._drawing.cancel()
            self._say(("stopped", "warning"))
            self._show_keys(drawing=False)
        else:
            self.dismiss(None)

    async def _draw(self) -> None:
        from tinv_tui.errors import InputError
        from tinv_tui.runs.jobs import JobBroken, run_job

        try:
            drawing = self._plan()
        except InputError as error:
            self._say((f"✖ {_in_its_words(error)}", "bad"), (error.hint, "label"))
            return
        except OSError as error:
            self._say((f"✖ {error}", "bad"))
            return
        self._paths.clear()
        self._show_pictures()
        self._show_keys(drawing=True)
        self._say(("loading", "label"))
        began, shown = time.monotonic(), 0.0

        def tell(news: dict[str, Any]) -> None:
            nonlocal began, shown
            if "image" in news:
                self._paths[news["image"]["with_embedding"]] = Path(news["image"]["path"])
                self._show_pictures()
            now = time.monotonic()
            if news["phase"] == "drawing" and now - shown >= _SHOWN_EVERY_SECONDS:
                began = began if shown else now
                shown = now
                left = (now - began) / news["done"] * (news["total"] - news["done"]) if news["done"] else None
                said = f"drawing {news['done']}/{news['total']}"
                self._say((said + (f", {wording.duration(left)} left" if left is not None else ""), "label"))

        try:
            await run_job("generate", tell, **drawing.arguments())
            self._say_paths()
        except InputError as error:
            self._say((f"✖ {error.message}", "bad"), (error.hint, "label"))
        except (JobBroken, OSError) as error:
            self._say((f"✖ {error}", "bad"))
        finally:
            if self.is_mounted:
                self._show_keys(drawing=False)

    def _plan(self) -> Any:
        """Raises InputError."""
        from tinv_tui.recipe import make_recipe
        from tinv_tui.recipe_file import parse_value
        from tinv_tui.runs.drawing import plan_drawing

        trial, values = self._trial, self._trial.recipe.model_dump()
        seed = self.query_one("#try-seed", TextField).value.strip() or "-1"
        values["preview"]["seed"] = parse_value("preview.seed", seed)
        prompt = self.query_one("#try-prompt", TextField).value
        return plan_drawing(prompt, make_recipe(values), Path.cwd(), embeddings=(str(trial.embedding),))

    def _show_pictures(self) -> None:
        self.query_one("#try-with", Picture).show(self._paths.get(True))
        self.query_one("#try-without", Picture).show(self._paths.get(False))

    def _show_keys(self, *, drawing: bool) -> None:
        self.query_one(DialogKeys).show(*_hints(drawing=drawing))

    def _say(self, *rows: tuple[str, str]) -> None:
        lines = self.query_one("#try-words", Lines)
        lines.show([((wording.cut(text, max(20, lines.size.width)), role),) for text, role in rows])

    def _say_paths(self) -> None:
        lines = self.query_one("#try-words", Lines)
        width = max(20, lines.size.width - 8)
        rows: list[Line] = [
            ((f"{'with' if with_it else 'without':<8}", "label"), (wording.cut_path(str(path), width), ""))
            for with_it, path in self._paths.items()
        ]
        lines.show(rows)


def _in_its_words(error: InputError) -> str:
    """The message as this dialog calls what it is about: a seed, not the setting of a recipe."""
    from tinv_tui.app.form_values import short

    said = short(error, "preview.seed")
    plain = short(error, None)
    return plain if said == plain else f"seed: {said}"


def _hints(*, drawing: bool) -> tuple[str, ...]:
    if drawing:
        return (hint("try.leave", "stop drawing"),)
    return ("enter draw", hint("focus.next", "next field"), hint("try.help"), hint("try.leave"))
