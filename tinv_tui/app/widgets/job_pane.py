"""How far a job is: a bar, its rate and the time left, and what was skipped."""

from __future__ import annotations

from textual.app import ComposeResult

from tinv_tui.app import wording
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.pane import Pane
from tinv_tui.app.wording import Line, Piece

_MOST_LINES = 200


class JobPane(Pane):
    """Hidden by the stylesheet until a job was started (class ``-used`` of its screen)."""

    def __init__(self, title: str, *, id: str) -> None:
        super().__init__(title, id=id, can_focus=True)
        self._told: list[Line] = []
        self._far: tuple[int, int, float | None] = (0, 0, None)
        self._is_at_work = False

    def compose(self) -> ComposeResult:
        yield Lines(classes="job-lines")

    @property
    def idle_keys(self) -> frozenset[str]:
        return frozenset() if self._is_at_work else frozenset({"preprocess.stop"})

    def end(self) -> None:
        """The job is over; what it told stays."""
        self._is_at_work = False

    def begin(self) -> None:
        self._is_at_work = True
        self._told, self._far = [], (0, 0, None)
        self._show()

    def progress(self, done: int, total: int, rate: float | None) -> None:
        """``rate`` is in pictures a second."""
        self._far = done, total, rate
        self._show()

    def tell(self, text: str, role: str = "") -> None:
        """A line below the bar, newest first."""
        self._told = [((text, role),), *self._told[: _MOST_LINES - 1]]
        self._show()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        lines = self.query_one(".job-lines", Lines)
        lines.show([self._bar(max(20, lines.size.width)), *self._told])

    def _bar(self, width: int) -> Line:
        done, total, rate = self._far
        if not total:
            return (("starting", "label"),)
        left = wording.duration((total - done) / rate) if rate else wording.DASH
        tail = f"  {done}/{total}  {wording.speed(rate)}  {left} left"
        room = max(4, width - len(tail))
        filled = round(done / total * room)
        pieces: tuple[Piece, ...] = (("━" * filled, "accent"), ("─" * (room - filled), "faint"), (tail, "value"))
        return pieces
