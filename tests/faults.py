"""The table of the fault suite: what was done to a run how often, what it cost, and whether its files stayed the same."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "fault"
"""The user property of a test's report that holds what it tried: reports travel between processes, variables do not."""
TABLE_FILE = "TINV_FAULT_TABLE"
"""The environment variable that names a file to write the table to."""


@dataclass(frozen=True)
class Tried:
    """One fault as one test tried it. What has no meaning for it is None."""

    fault: str
    times: int = 1
    steps_lost: int | None = None
    """The most steps that had to be made again."""
    identical: bool | None = None
    """Whether the files that came of it were those of a run that nothing was done to."""
    note: str = ""


class FaultRecord:
    """What a test says of its fault; it counts only if the test passes."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node

    def __call__(self, fault: str, times: int = 1, **facts: Any) -> None:
        self._node.user_properties.append((PROPERTY, asdict(Tried(fault, times, **facts))))


def tried_in(reports: Iterable[pytest.TestReport]) -> list[Tried]:
    """What the passed tests of a session tried."""
    found = [value for report in reports for name, value in report.user_properties if name == PROPERTY]
    return [Tried(**value) for value in found if isinstance(value, dict)]


def table(tried: Iterable[Tried]) -> list[str]:
    """The lines of a Markdown table with a row for each fault, in the order they were first tried."""
    rows: dict[str, list[Tried]] = {}
    for one in tried:
        rows.setdefault(one.fault, []).append(one)
    lines = ["| fault | times tried | steps lost (most) | bytes identical | |", "|---|---|---|---|---|"]
    for fault, ones in rows.items():
        lost = [one.steps_lost for one in ones if one.steps_lost is not None]
        identical = [one.identical for one in ones if one.identical is not None]
        notes = "; ".join(dict.fromkeys(one.note for one in ones if one.note))
        words = "–" if not identical else "yes" if all(identical) else "no"
        times = sum(one.times for one in ones)
        lines.append(f"| {fault} | {times} | {max(lost) if lost else '–'} | {words} | {notes} |")
    return lines


def write_table(lines: list[str]) -> None:
    path = os.environ.get(TABLE_FILE)
    if path:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
