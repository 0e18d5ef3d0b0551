"""A schedule drawn below its field: how long each of its values holds, at a glance."""

from __future__ import annotations

from tinv_tui.app import chart
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.schedule import Plan


class Stairs(Lines):
    """One row, as wide as there is room; hidden while there is nothing to draw (one value for all steps is nothing)."""

    DEFAULT_CSS = "Stairs { height: 1; display: none; } Stairs.-drawn { display: block; }"

    def __init__(self) -> None:
        super().__init__(classes="form-stairs")
        self._spans: tuple[tuple[float, int], ...] = ()

    def draw(self, plan: Plan | None) -> None:
        spans = plan.spans if plan is not None and len(plan.spans) > 1 else ()
        self._spans = tuple((span.rate, span.last - span.first + 1) for span in spans)
        self.set_class(bool(self._spans), "-drawn")
        self._rebuild()

    def on_resize(self) -> None:
        self._rebuild()

    def _rebuild(self) -> None:
        self.show([((chart.stairs(self._spans, self.content_size.width), "chart"),)])
