"""The presets, each with what it would change in the form and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from tinv_tui.app.fields import FIELDS
from tinv_tui.app.form_values import changes, preset_texts
from tinv_tui.app.keys import bindings_of, hint, pair
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.row_list import RowList
from tinv_tui.app.wording import Line, cut
from tinv_tui.presets import PRESETS, Preset
from tinv_tui.printable import wrapped


class PresetsScreen(Dialog[Preset | None]):
    """Answers with the preset that was taken. Nothing is changed here."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("presets")

    def __init__(self, texts: Mapping[str, str]) -> None:
        """``texts`` are what the form says now."""
        super().__init__()
        self._texts = dict(texts)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="presets-dialog"):
            yield Static("Presets: they go on top of each other", classes="dialog-title", markup=False)
            with Horizontal(id="presets-parts"):
                yield RowList(id="presets")
                with VerticalScroll(id="preset-changes"):
                    yield Lines(id="preset-lines")
            yield DialogKeys(
                pair("list.up", "list.down", "look"),
                hint("list.choose", "take"),
                hint("focus.next", "read on"),
                hint("presets.cancel"),
            )

    @property
    def rows(self) -> RowList:
        return self.query_one("#presets", RowList)

    def on_mount(self) -> None:
        self.rows.show([((preset.name, "value"),) for preset in PRESETS])
        self.rows.focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    @on(RowList.Moved)
    def _show(self) -> None:
        lines = self.query_one("#preset-lines", Lines)
        lines.show(preset_lines(PRESETS[self.rows.cursor], self._texts, max(30, lines.size.width)))
        self.query_one("#preset-changes").scroll_home(animate=False)

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        event.stop()
        self.dismiss(PRESETS[event.index])

    def action_cancel(self) -> None:
        self.dismiss(None)


def preset_lines(preset: Preset, texts: Mapping[str, str], width: int) -> list[Line]:
    """What it is for; then each field that would say something else, and why; last those that say it already."""
    changed = changes(texts, {**texts, **preset_texts(preset, FIELDS)}, FIELDS)
    why = {value.key: value.why for value in preset.values}
    lines: list[Line] = [((row, "accent"),) for row in wrapped(f"{preset.name}: {preset.said}", width)]
    for change in changed:
        old = cut(change.old, max(8, width - len(change.label) - len(change.new) - 6))
        lines.append(((f"{change.label}  ", ""), (f"{old} → ", "label"), (change.new, "value")))
        lines += [((f"  {row}", "label"),) for row in wrapped(why[change.key], width - 2)]
    same = [FIELDS[key].name for key in why if key not in {change.key for change in changed}]
    if same:
        said = f"as they are: {', '.join(same)}" if changed else "The form says all of it already."
        lines += [((row, "label"),) for row in wrapped(said, width)]
    return lines
