"""Below a form's fields: what the checks say, and the buttons."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button

from tinv_tui.app.form_values import Checked, Mark
from tinv_tui.app.widgets.form_row import FormRow
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.wording import Line
from tinv_tui.printable import cells, many, wrapped

_ORDER: tuple[Mark, ...] = ("✖", "✔", "!", "~")
_ROLES = {"✔": "good", "!": "warning", "✖": "bad", "~": "label"}


class FormFoot(Vertical):
    def __init__(self, *buttons: tuple[str, str], id: str) -> None:
        """``buttons`` are (id, label), the last one is what the form is for."""
        super().__init__(id=id, classes="form-foot")
        self._buttons = buttons
        self._shown: tuple[Checked, tuple[Mark, str] | None] | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="checks-box", can_focus=False):
            yield Lines(classes="checks")
        with Horizontal(classes="buttons"):
            for identity, label in self._buttons[:-1]:
                yield Button(label, id=identity, compact=True)
            identity, label = self._buttons[-1]
            yield Button(label, id=identity, compact=True, variant="primary")

    def on_resize(self) -> None:
        """Words are wrapped anew: what was shown before the foot had its room was wrapped for none."""
        self.call_after_refresh(self._show_anew)

    def _show_anew(self) -> None:
        if self._shown is not None:  # what is shown by now: it may be other than when the size changed
            self.show(*self._shown)

    def show(self, checked: Checked, said: tuple[Mark, str] | None = None) -> None:
        """Facts side by side where they are short, estimates last; above all of them what was ``said`` last.

        Where they take more rows than there are, tab goes to them, and the arrow keys show the rest.
        """
        lines = self.query_one(".checks", Lines)
        self._shown = (checked, said)
        width = max(20, lines.size.width)
        facts = sorted(checked.facts, key=lambda fact: _ORDER.index(fact[0]))
        wrong = self._wrong_in_sight() or len([key for key in checked.errors if key and key not in checked.missing])
        if wrong:
            facts = [("✖", f"{many(wrong, 'field')} to put right")]
        elif checked.missing:
            facts = [("~", f"still to fill in: {', '.join(sorted(map(_thing, checked.missing)))}")]
        facts = [said, *facts] if said is not None else facts
        shown: list[Line] = []
        for mark, text in facts:
            first, *more = wrapped(text, width - 2) or [""]
            piece = ((f"{mark} ", _ROLES[mark]), (first, ""))
            used = sum(cells(t) for t, _ in shown[-1]) if shown else width
            if not more and used + 2 + cells(first) + 2 <= width:
                shown[-1] = (*shown[-1], ("  ", ""), *piece)
            else:
                shown.append(piece)
            shown += [(("  ", ""), (row, "")) for row in more]
        lines.show(shown)
        self.call_after_refresh(self._let_read_on)

    def _wrong_in_sight(self) -> int:
        """How many rows of the form say what is wrong: an empty field does so once it was asked for."""
        return sum(row.said[1] for row in self.screen.query(FormRow))

    def _let_read_on(self) -> None:
        box = self.query_one(".checks-box")
        box.can_focus = box.max_scroll_y > 0


def _thing(key: str) -> str:
    """What a required setting is about: "model" for ``model.path``, "source" for ``preprocess.source``."""
    section, _, name = key.partition(".")
    return section if name in ("path", "name") else name
