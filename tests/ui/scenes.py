"""The ways to each screen and dialog, by keys, from the train form of a place with two finished runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
from textual.pilot import Pilot

from tests.ui.support import ready, screen_text, until
from tinv_tui import paths
from tinv_tui.app.app import TinvApp
from tinv_tui.app.screens.workbench import Workbench
from tinv_tui.embeddings.files import Embedding, write_embedding

Scene = Callable[[Pilot[Any]], Awaitable[None]]
SCENES: dict[str, Scene] = {}


def scene(name: str) -> Callable[[Scene], Scene]:
    """A way to a screen, by keys; the screen is taken at its end."""

    def keep(way: Scene) -> Scene:
        SCENES[name] = way
        return way

    return keep


def seen(pilot: Pilot[Any], words: str) -> Callable[[], bool]:
    return lambda: words in screen_text(pilot.app)


@scene("train")
async def _train(pilot: Pilot[Any]) -> None:
    await ready(pilot)


@scene("train-finished")
async def _finished(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f5")
    await until(pilot, seen(pilot, "finished"))
    await pilot.press("enter")
    await until(pilot, seen(pilot, "zork ✔ finished"))


@scene("train-running")
async def _running(pilot: Pilot[Any]) -> None:
    await _finished(pilot)
    app = pilot.app
    assert isinstance(app, TinvApp)
    assert app.workbench is not None
    assert app.control.now is not None
    assert app.machine_now is not None
    app.workers.cancel_group(app, "watch")  # it would see that the run is over
    app.control.now = replace(app.control.now, state="running")
    app.workbench.show_run(app.control.now)
    app.workbench.show_machine(app.machine_now)
    await until(pilot, seen(pilot, "zork ● running"))


@scene("create")
async def _create(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f3")
    await until(pilot, seen(pilot, "thing → 1"))


@scene("preprocess")
async def _preprocess(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f4")
    await until(pilot, seen(pilot, "What will be written"))


@scene("runs")
async def _runs(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f5")
    await until(pilot, seen(pilot, "finished"))


@scene("library")
async def _library(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f6")
    await until(pilot, seen(pilot, "Library"))


@scene("models")
async def _models(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f9")
    await until(pilot, seen(pilot, "bundled"))


@scene("help")
async def _help(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f1")
    await until(pilot, seen(pilot, "embedding.name"))


@scene("commands")
async def _commands(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("ctrl+p")
    await until(pilot, seen(pilot, "Start training"))


@scene("choose")
async def _choose(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("tab", "tab", "tab", "ctrl+o")
    await until(pilot, seen(pilot, "face_filewords"))


@scene("save-recipe")
async def _save_recipe(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("ctrl+l")
    await until(pilot, seen(pilot, ".toml"))


@scene("load-recipe")
async def _load_recipe(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("escape", "L")
    await until(pilot, seen(pilot, "from a recipe"))


@scene("template-editor")
async def _template(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f8")
    await until(pilot, seen(pilot, "photo of"))


@scene("demo")
async def _demo(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("escape", "d")
    await until(pilot, seen(pilot, "chartreuse"))


@scene("presets")
async def _presets(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("escape", "a")
    await until(pilot, seen(pilot, "low memory"))


@scene("find")
async def _find(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("escape", "slash", *"rate")
    await until(pilot, seen(pilot, "Rate"))
    await pilot.pause(0.3)


@scene("caption")
async def _caption(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("ctrl+g")
    await pilot.pause(0.2)
    await pilot.press("e")
    await until(pilot, seen(pilot, "a red thing on a table"))
    await pilot.pause(0.3)


@scene("caption-words")
async def _caption_words(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("ctrl+g")
    await pilot.pause(0.2)
    await pilot.press("f")
    await until(pilot, seen(pilot, "table"))
    await pilot.pause(0.3)


@scene("fix")
async def _fix(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("ctrl+g")
    await pilot.pause(0.2)
    await pilot.press("down", "enter")
    await pilot.pause(0.5)


@scene("changed")
async def _changed(pilot: Pilot[Any]) -> None:
    workbench = await ready(pilot)
    workbench.form.put("training.learning_rate", "0.002")
    await pilot.press("escape", "n")
    await until(pilot, seen(pilot, "0.002"))
    await pilot.pause(0.5)


@scene("previews")
async def _previews(pilot: Pilot[Any]) -> None:
    await _finished(pilot)
    await _go_to(pilot, "preview-pane")
    await pilot.press("f")
    await until(pilot, seen(pilot, "2 of 2"))


@scene("compare")
async def _compare(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("f5")
    await until(pilot, seen(pilot, "plork"))
    await pilot.press("space", "space", "c")
    await until(pilot, seen(pilot, "previews of step 200"))


@scene("first-run")
async def _first_run(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await until(pilot, seen(pilot, "demo"))


@scene("loss-alone")
async def _loss_alone(pilot: Pilot[Any]) -> None:
    await _running(pilot)
    await pilot.press("z")
    await until(pilot, seen(pilot, "─ smooth"))


@scene("gpu-alone")
async def _gpu_alone(pilot: Pilot[Any]) -> None:
    await _running(pilot)
    await _go_to(pilot, "gpu-pane")
    await pilot.press("z")
    app = pilot.app
    assert isinstance(app, TinvApp)
    assert app.workbench is not None
    assert app.machine_now is not None
    app.workers.cancel_group(app, "machine")  # how often it has looked so far differs
    for _ in range(60):
        app.workbench.show_machine(replace(app.machine_now))
    await pilot.pause(0.3)


@scene("log-alone")
async def _log_alone(pilot: Pilot[Any]) -> None:
    await _running(pilot)
    await _go_to(pilot, "log-pane")
    await pilot.press("z")
    await pilot.pause(0.3)


@scene("dataset-alone")
async def _dataset_alone(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await _go_to(pilot, "dataset-pane")
    await pilot.press("z")
    await pilot.pause(0.5)


@scene("stop")
async def _stop(pilot: Pilot[Any]) -> None:
    await _running(pilot)
    await pilot.press("s")
    await until(pilot, seen(pilot, "Stop zork at step 300?"))


@scene("give-back")
async def _give_back(pilot: Pilot[Any]) -> None:
    await _running(pilot)
    await pilot.press("b")
    await until(pilot, seen(pilot, "give its memory back?"))


@scene("change")
async def _change(pilot: Pilot[Any]) -> None:
    await _running(pilot)
    await pilot.press("c")
    await until(pilot, seen(pilot, "change what?"))


@scene("change-value")
async def _change_value(pilot: Pilot[Any]) -> None:
    await _change(pilot)
    await pilot.press("enter")
    await until(pilot, seen(pilot, "It holds from the next step on"))
    await pilot.press(*"fast")
    await until(pilot, seen(pilot, "✖"))


@scene("use")
async def _use(pilot: Pilot[Any]) -> None:
    await _finished(pilot)
    app = pilot.app
    assert isinstance(app, TinvApp)
    assert app.control.now is not None
    for step in (100, 200):
        rows = np.full((1, 64), step / 1000, dtype=np.float32)
        copy = Embedding(f"zork-{step}", {"emb_params": rows}, step)
        write_embedding(app.control.now.folder.copies / f"zork-{step}.safetensors", copy)
    await pilot.press("u")
    await until(pilot, seen(pilot, "zork-100"))


@scene("resume")
async def _resume(pilot: Pilot[Any]) -> None:
    await _runs(pilot)
    await pilot.press("r")
    await pilot.pause(0.5)


@scene("walk")
async def _walk(pilot: Pilot[Any]) -> None:
    workbench = await ready(pilot)
    workbench.form.go_to("dataset.path")
    await pilot.press("ctrl+o")
    await until(pilot, seen(pilot, "walk through folders"))
    await pilot.press("pagedown", "pagedown", "enter")
    await until(pilot, seen(pilot, "take this folder"))
    await pilot.pause(0.5)


@scene("fetch")
async def _fetch(pilot: Pilot[Any]) -> None:
    workbench = await ready(pilot)
    workbench.form.put("model.path", "somebody/a-model")
    await pilot.press("ctrl+s")
    await until(pilot, seen(pilot, "Fetch somebody/a-model"))


@scene("probe")
async def _probe(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("escape", "m")
    await until(pilot, seen(pilot, "Probe speed"))


@scene("try")
async def _try(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    path = paths.embeddings_folder() / "zork.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(path, Embedding("zork", {"emb_params": np.full((1, 64), 0.1, dtype=np.float32)}, 300))
    await pilot.press("escape", "t")
    await until(pilot, seen(pilot, "enter draws"))


@scene("themes")
async def _themes(pilot: Pilot[Any]) -> None:
    await ready(pilot)
    await pilot.press("escape", "T")
    await pilot.pause(0.5)


async def _go_to(pilot: Pilot[Any], pane: str) -> None:
    """By the key that goes from pane to pane."""
    screen = pilot.app.screen
    assert isinstance(screen, Workbench)
    while screen.pane_in_focus() != pane:
        await pilot.press("ctrl+g")
        await pilot.pause()
