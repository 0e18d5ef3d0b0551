"""Runs are marked on their list and seen side by side."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.ui.support import NARROW, WIDE, has_help, past_run, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens import runs as runs_screen
from tinv_tui.app.screens.compare import CompareScreen, _heads
from tinv_tui.app.screens.runs import RunsScreen
from tinv_tui.app.widgets.lines import Lines
from tinv_tui.app.widgets.picture import Picture
from tinv_tui.runs import comparison
from tinv_tui.runs.folder import RunFolder


def preview(folder: RunFolder, step: int) -> Path:
    """A picture that the run drew at that step."""
    path = folder.path / f"{folder.name}-{step}.png"
    Image.new("RGB", (64, 64), "red").save(path)
    event = {"kind": "preview", "step": step, "path": str(path), "prompt": "a", "seed": 1}
    with folder.events.open("a") as file:
        file.write(json.dumps({"v": 1, "t": "2026-11-22T09:15:00.000+00:00", **event}) + "\n")
    return path


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_marked_runs_are_compared_by_keys(
    size: tuple[int, int], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "seconds_spent", lambda folder: 5400.0)
    monkeypatch.setattr(runs_screen, "LOOK_SECONDS", 0.1)
    home = tmp_path / "home"
    past = dict[str, tuple[RunFolder, dict[int, Path]]]()
    for name, rate, done in (("zork", "0.005", 300), ("plork", "0.001", 150)):
        dataset = tmp_path / f"of-{name}" / "all-that-were-taken-there" / "pictures"
        changes = {"embedding__name": name, "training__learning_rate": rate, "dataset__path": str(dataset)}
        folder = past_run(recipe(pictures, **changes), home, steps_done=done)
        past[name] = folder, {step: preview(folder, step) for step in (100, 150)}
    zork = past["zork"][1]
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        app = pilot.app
        await ready(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: "plork" in screen_text(app))
        await pilot.press("c")
        await until(pilot, lambda: "0 are marked" in screen_text(app))
        await asyncio.sleep(0.3)
        assert "0 are marked" in screen_text(app)  # not gone with the next look at the runs
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("space", "c")
        await until(pilot, lambda: "1 is marked" in screen_text(app))
        await pilot.press("space")
        await until(pilot, lambda: "is marked" not in screen_text(app))
        await until(pilot, lambda: screen_text(app).count("* ✔") == 2)
        await pilot.press("space")  # the last one again: its mark goes
        await until(pilot, lambda: screen_text(app).count("* ✔") == 1)
        await pilot.press("space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and "learning_rate" in screen_text(app))
        text = screen_text(app)
        assert "A 0.001" in text
        assert "B 0.005" in text
        assert re.search(r"dataset.path +A …[^ ]*of-plork/.* B …[^ ]*of-zork/", text)  # the part that differs
        assert "smooth  best evaluation" in text  # not the loss of the last step, as in Runs
        assert "training loss" in text
        assert "previews of step 150" in text
        drawn = "".join(app.screen.query_one("#compare-plot", Lines).plain.splitlines()[1:])
        assert "*" in drawn  # the same losses as far as both go
        assert "B" in drawn
        assert "A" not in drawn
        assert text.count("0.1081 @ 200") == 2
        assert "best evaluation  trained" in text
        assert text.count("1h30m") == 2  # at the end of its line, and at 80 columns too
        assert "from left to right A B" in text
        shown = app.screen.query_one("#compare-1", Picture)
        assert shown.path == zork[150]

        assert "? help" in text
        await has_help(pilot, "?", "Runs side by side")
        await has_help(pilot, "f1", "compare.curve")

        await pilot.press("left")
        await until(pilot, lambda: "previews of step 100" in screen_text(app))
        assert shown.path == zork[100]
        await pilot.press("right")
        await until(pilot, lambda: "previews of step 150" in screen_text(app))
        await pilot.press("e")
        await until(pilot, lambda: "evaluation loss" in screen_text(app))
        await pilot.press("l")
        await until(pilot, lambda: "evaluation loss, log scale" in screen_text(app))
        await pilot.press("l")
        await until(pilot, lambda: "log scale, *" not in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: "written" in screen_text(app))
        assert (home / "compare-plork-zork.csv").read_text().startswith("step,")
        await pilot.press("x")  # what was written before stays
        await until(pilot, lambda: (home / "compare-plork-zork-2.csv").exists())
        shutil.rmtree(past["plork"][0].path)
        assert isinstance(app.screen, CompareScreen)
        await app.screen.look()
        await until(pilot, lambda: "gone" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_a_run_is_compared_with_the_one_before_it_by_one_key(pictures: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = past_run(recipe(pictures, embedding__name="plork"), home)
    other = {"learning_rate": "0.001", "steps": 4000, "seed": 4, "batch_size": 2, "clip": "value"}
    changes = {f"training__{key}": value for key, value in other.items()}
    run = past_run(recipe(pictures, preview__steps=3, preview__seed=7, dataset__template="style", **changes), home)
    async with TinvApp(recipe(pictures)).run_test(size=NARROW, notifications=True) as pilot:
        app = pilot.app
        bench = await ready(pilot)
        bench.loss.focus()
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and "learning_rate" in screen_text(app))
        assert re.search(r"A plork .*B zork", screen_text(app), re.DOTALL)
        await until(pilot, lambda: "preview.seed" in screen_text(app))
        assert "none of them has previews" in screen_text(app)
        assert "more: tinv-tui compare" not in screen_text(app)  # where there are no pictures, settings have their rows
        preview(before, 100)
        preview(run, 150)
        await pilot.press("escape", "f5")
        await until(pilot, lambda: "2 runs" in screen_text(app))
        await pilot.press("C")
        await until(pilot, lambda: "A: none at step 150" in screen_text(app))
        await pilot.press("left")
        await until(pilot, lambda: "B: none at step 100" in screen_text(app))
        await pilot.press("escape", "down", "C")
        await until(pilot, lambda: bool(app.screen.query("Toast")))  # there is no log here
        assert "there is no run before" in screen_text(app)


@pytest.mark.parametrize("width", [76, 116])
def test_names_that_differ_only_at_their_end_are_told_apart_and_every_number_fits(width: int) -> None:
    runs = [
        comparison.ComparedRun(name, "finished", 12_000, 12_000, None, (), (), (9000, 0.1), 7230.0, {})
        for name in ("my-ginger-cat", "my-ginger-cat-2")
    ]
    lines = ["".join(text for text, _ in line) for line in _heads(list(zip("AB", runs, strict=True)), width)]
    assert max(map(len, lines)) <= width
    names = [line[2:].split()[0] for line in lines[1:]]
    assert len(set(names)) == 2
    assert names[1].endswith("cat-2")
    assert len({line.index("12") for line in (line[20:] for line in lines[1:])}) == 1  # one column below the other
