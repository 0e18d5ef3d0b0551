"""The form: filled in by keys, checked while it is typed, and never started with an error in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual._compositor import Compositor, LayoutUpdate

from tests.ui.support import NARROW, WIDE, past_welcome, ready, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.help import HelpScreen
from tinv_tui.app.screens.probe import ProbeScreen
from tinv_tui.runs.folder import all_runs


async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_started(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, dataset__path=str(pictures / "none"))).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        form = workbench.form
        await pilot.press("ctrl+s")
        await until(pilot, lambda: workbench.focused is form.control("dataset.path"))
        assert "does not exist" in form.error_at("dataset.path")
        form.put("dataset.path", str(pictures))

        form.control("training.batch_size").focus()
        await pilot.press("end", "x")
        await until(pilot, lambda: bool(form.error_at("training.batch_size")))
        assert "a whole number from 1 to 1024" in form.error_at("training.batch_size")
        await pilot.press("backspace")
        await until(pilot, lambda: not form.error_at("training.batch_size"))

        form.put("training.learning_rate", "fast")
        form.put("training.steps", "0")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: workbench.focused is form.control("training.learning_rate"))  # the first of the two
        assert "'fast' is not a number" in form.error_at("training.learning_rate")
        assert not all_runs()


async def test_a_long_fault_is_shown_to_its_end(pictures: Path) -> None:
    gone = "/" + "/".join(f"a-folder-with-a-long-name-{number}" for number in range(6))
    async with TinvApp(recipe(pictures, dataset__path=gone)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "does not exist" in workbench.form.error_at("dataset.path"))
        fault = workbench.form.error_at("dataset.path")

        def shown() -> str:
            return "".join(line.strip("│ ▂▃▁▅▇█") for line in screen_text(pilot.app).splitlines()).replace(" ", "")

        await until(pilot, lambda: fault[-30:].replace(" ", "") in shown(), 10)


async def test_required_fields_are_only_asked_for_at_a_start() -> None:
    async with TinvApp().run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        await past_welcome(pilot)
        assert not workbench.form.error_at("embedding.name")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "is required" in workbench.form.error_at("embedding.name"))
        assert workbench.focused is workbench.form.control("embedding.name")


async def test_the_form_tells_rate_plan_tokens_init_text_family_and_pictures_and_keeps_every_setting(
    pictures: Path,
) -> None:
    wanted = recipe(
        pictures,
        dataset__template="subject_filewords",
        training__learning_rate="0.005:500, 0.001",
        embedding__vectors=4,
        embedding__init_text="red thing",
        preview__prompts=["a [name]", "two, [name]"],
        training__clip="norm",
        model__clip_skip=2,
        preview__seed=7,
    )
    async with TinvApp(wanted).run_test(size=WIDE) as pilot:
        form = (await ready(pilot)).form
        await until(pilot, lambda: form.checked.plan is not None)
        text = " ".join(screen_text(pilot.app).split())
        assert "71 of 75 tokens left" in text
        assert "red → 1–2, thing → 3–4" in text
        assert "0.005 for 1–500" in text
        assert "✔ SD 1.x, 64 wide" in text
        assert "✔ 3 pictures" in text
        assert "! 1 without caption" in text
        assert form.recipe() == (wanted, {})


async def test_subject_or_style_picks_the_template(pictures: Path) -> None:
    async with TinvApp(recipe(pictures, dataset__template="subject_filewords")).run_test(size=WIDE) as pilot:
        form = (await ready(pilot)).form
        form.control("subject-or-style").focus()
        await pilot.press("right")
        assert form.texts["dataset.template"] == "style_filewords"
        form.put("dataset.template", "style")
        await pilot.press("left")
        assert form.texts["dataset.template"] == "subject"


@pytest.mark.parametrize(("size", "drawn"), [(WIDE, True), (NARROW, False)])
async def test_a_rate_schedule_is_drawn_below_its_words_where_there_is_room(
    size: tuple[int, int], drawn: bool, pictures: Path
) -> None:
    wanted = recipe(pictures, training__steps=2000, training__learning_rate="0.005:500, 0.001:1000, 0.004")
    async with TinvApp(wanted).run_test(size=size) as pilot:
        form = (await ready(pilot)).form
        form.control("training.steps").focus()  # brings the rows above it into sight
        await until(pilot, lambda: "0.005 for 1–500" in screen_text(pilot.app))
        assert ("▁▁▁▁▁▁▁▁" in screen_text(pilot.app)) is drawn
        form.put("training.learning_rate", "0.005")
        await until(pilot, lambda: "0.005 for 1–2000" in screen_text(pilot.app))
        assert "▁▁▁▁▁▁▁▁" not in screen_text(pilot.app)


@pytest.mark.parametrize("size", [pytest.param(WIDE, marks=pytest.mark.long), NARROW])
async def test_every_field_can_be_reached_and_comes_into_sight(size: tuple[int, int], pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=size) as pilot:
        form = (await ready(pilot)).form
        for key in form.fields:
            form.control(key).focus()
            await pilot.pause()
            region = form.control(key).region
            assert form.region.contains_region(region), key
            assert region.width >= 4, key


async def test_a_probe_tells_time_and_memory_at_the_foot(pictures: Path) -> None:
    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        workbench = await ready(pilot)
        assert "time unknown" in " ".join(text for _, text in workbench.form.checked.facts)
        workbench.tab_line.focus()
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ProbeScreen), seconds=100)
        await until(pilot, lambda: any("probed" in text for _, text in workbench.form.checked.facts))
        assert not all_runs()


async def test_keys_of_one_burst_act_in_their_order(pictures: Path) -> None:
    """As a slow link delivers them: several in one read."""
    async with TinvApp(recipe(pictures)).run_test(size=WIDE) as pilot:
        workbench = await ready(pilot)
        workbench.form.control("embedding.name").focus()
        await pilot.pause()

        async def burst(*keys: str) -> str:
            for key in keys:
                pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
            await pilot.pause(0.2)
            return workbench.form.texts["embedding.name"]

        assert await burst("ctrl+u", *"plork") == "plork"
        assert await burst(*"xy", "backspace", "z") == "plorkxz"
        assert await burst("home", "a", "end", "b") == "aplorkxzb"
        await burst("tab", "shift+tab", "ctrl+u", *"zork")
        assert workbench.form.texts["embedding.name"] == "zork"


async def test_a_move_of_the_focus_does_not_draw_the_whole_screen(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = list[None]()
    whole = Compositor.render_full_update

    def counted(self: Compositor, simplify: bool = False) -> LayoutUpdate:
        drawn.append(None)
        return whole(self, simplify)

    async with TinvApp(recipe(pictures)).run_test(size=NARROW) as pilot:
        bench = await ready(pilot)
        # What a look at the machine changes below a dialog is drawn with all of it.
        pilot.app.workers.cancel_group(pilot.app, "machine")
        await pilot.pause(0.3)
        monkeypatch.setattr(Compositor, "render_full_update", counted)
        first = bench.focused
        await pilot.press("tab", "tab", "shift+tab")
        await pilot.pause(0.3)
        assert bench.focused is not first
        assert not drawn
        await pilot.press("escape", "?")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.pause(0.3)
        drawn.clear()
        await pilot.press("tab")
        await pilot.pause(0.3)
        assert not drawn
