"""A list of rows tells where it goes on out of sight."""

from __future__ import annotations

from pathlib import Path

from rich.cells import cell_len

from tests.ui.support import NARROW, ready, recipe, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.widgets.row_list import RowList


def seen(rows: RowList) -> list[str]:
    return [rows.render_line(y).text for y in range(rows.size.height)]


async def test_its_last_row_in_sight_and_its_first_have_a_sign_where_there_is_more(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        workbench.open_tab("dataset")
        rows = workbench.dataset.pictures
        await until(pilot, lambda: rows.size.height > 2)
        width, height = rows.size
        rows.show([((f"row {number}", ""),) for number in range(height)])
        assert not any(sign in line for line in seen(rows) for sign in "↑↓"), "all of it is in sight"

        rows.show([((f"row {number} " + "very " * 30, ""),) for number in range(height + 2)])
        assert ["…" in line for line in seen(rows)] == [True] * height
        assert [line.endswith("… ↓") for line in seen(rows)] == [False] * (height - 1) + [True]
        rows.go_to(height)
        assert [line[-1] for line in seen(rows)] == ["↑", *"…" * (height - 2), "↓"]
        rows.go_to(height + 1)
        assert [line[-1] for line in seen(rows)] == ["↑", *"…" * (height - 1)]

        rows.show([(("猫" * width, ""),)] * (height + 2))
        assert {cell_len(line) for line in seen(rows)} == {width}
