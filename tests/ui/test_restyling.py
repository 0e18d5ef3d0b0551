"""Classes of the screen style what they concern and nothing else, and it looks as if all had been styled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.dom import DOMNode
from textual.screen import Screen

from tests.ui.support import NARROW, WIDE, ready, recipe, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.restyling import concerned
from tinv_tui.app.screens.workbench import TABS, Workbench


def rules(screen: Screen[Any]) -> dict[DOMNode, dict[str, Any]]:
    return {node: dict(node._css_styles.get_rules()) for node in screen.walk_children(with_self=True)}


def looks_as_if_all_was_styled(screen: Screen[Any]) -> bool:
    now = rules(screen)
    screen.app.stylesheet.update(screen)
    return now == rules(screen)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_whatever_is_opened_folded_or_alone(size: tuple[int, int], pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        workbench = await ready(pilot)
        await pilot.press("escape")
        for tab in (*TABS, "form"):
            workbench.open_tab(tab)
            assert looks_as_if_all_was_styled(workbench), tab
        for pane in ("#form-pane", "#dataset-pane", "#loss-pane", "#gpu-pane", "#preview-pane", "#log-pane"):
            workbench.query_one(pane).focus()
            await pilot.pause()
            for act in (workbench.action_zoom, workbench.action_zoom, workbench.action_fold, workbench.action_fold):
                act()
                assert looks_as_if_all_was_styled(workbench), (pane, act)


async def test_whatever_size_the_terminal_takes(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        for size in (NARROW, (120, 32), (30, 8), NARROW, WIDE):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda size=size: workbench.size == size)  # type: ignore[misc]
            assert looks_as_if_all_was_styled(workbench), size


async def test_the_rows_of_the_form_are_left_alone(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        whole = len(list(workbench.walk_children(with_self=True)))
        for name in ("-zoom", "-fold-form-pane", "-fold-dataset-pane", *(f"-tab-{tab}" for tab in TABS)):
            assert len(styled(workbench, name)) < whole / 5, name


def styled(workbench: Workbench, name: str) -> list[DOMNode]:
    return list(concerned(workbench, {name}, workbench.app.stylesheet))
