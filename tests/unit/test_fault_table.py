"""The table of the fault suite, made of what its tests say they tried."""

from __future__ import annotations

from tests.faults import Tried, table


def test_a_fault_has_one_row_with_the_worst_of_what_was_tried() -> None:
    lines = table(
        [
            Tried("kill -9", steps_lost=3, identical=True),
            Tried("a full disk", times=2),
            Tried("kill -9", steps_lost=9, identical=True, note="on tmpfs"),
            Tried("a clock that jumps", identical=False),
        ]
    )
    assert lines[2:] == [
        "| kill -9 | 2 | 9 | yes | on tmpfs |",
        "| a full disk | 2 | – | – |  |",
        "| a clock that jumps | 1 | – | no |  |",
    ]
