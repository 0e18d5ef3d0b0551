"""Measures how fast training is: cases, each trained in several ways, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tinv_tui.errors import InputError
from tinv_tui.interpreter import PYTHON
from tinv_tui.models import bundled
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.jobs import JobBroken, Progress, run_job

PLAIN, DIFFUSERS = "plain loop", "diffusers"
PICTURES = 6
EXTRA_STEPS = 11
"""Of a script timed from outside: what the clock of the jobs leaves out before and after the counted steps."""

Told = Callable[[Progress], None]
Measured = Callable[[str, dict[str, Any]], None]
"""Hears of each way, by its name, what a job has measured, as soon as it has."""


@dataclass(frozen=True)
class Case:
    """What is trained. ``size`` and ``picture_size`` in pixels a side."""

    model: str
    size: int
    batch: int
    precision: str
    picture_size: int

    def recipe(self, pictures: Path) -> Recipe:
        values = {
            "model": {"path": self.model},
            "embedding": {"name": "bench", "init_text": "thing", "overwrite": True},
            "dataset": {"path": str(pictures), "template": "subject", "width": self.size, "height": self.size},
            "training": {
                "steps": 1_000_000,  # the clock ends it
                "batch_size": self.batch,
                "precision": self.precision,
                "seed": 1,
                "evaluation_samples": 0,
                "learning_rate": "0.0005",
            },
        }
        return make_recipe(values, "bench")


@dataclass(frozen=True)
class Way:
    """One way to train: our engine with some operators and acceleration, the plain loop, or a script."""

    name: str
    operators: str = ""
    acceleration: str = "auto"
    memory_gib: float = 0.0
    """Of a GPU's memory no more than a card of this size would give; 0 for all of it."""
    least_memory: bool = False
    """By the plan that takes the least, whatever there is."""
    script: Path | None = None


async def measure(
    case: Case, ways: Sequence[Way], steps: int, rounds: int, told: Told, measured: Measured
) -> list[dict[str, Any]]:
    """Measure each way in turn, ``rounds`` times over so that a machine's moods meet all of them; medians of the rounds.

    Each answer has what the jobs tell (see ``worker.bench``), ``way`` and ``ratios``: how many times faster it is than
    each of the two others there is something to say about. A way that broke has ``way`` and ``error`` alone, and the others
    go on. Raises InputError, or JobBroken where no way came to an end.
    """
    found: dict[str, list[dict[str, Any]]] = {way.name: [] for way in ways}
    broken = dict[str, JobBroken]()
    with tempfile.TemporaryDirectory(prefix="tinv-bench-") as folder:
        pictures = Path(folder) / "pictures"
        await asyncio.to_thread(_draw_pictures, pictures, case.picture_size)
        for _ in range(rounds):
            for way in ways:
                if way.name in broken:
                    continue
                try:
                    answer = await _once(case, way, steps, pictures, told)
                except JobBroken as error:
                    broken[way.name] = error
                else:
                    found[way.name].append(answer)
                    measured(way.name, answer)
    if len(broken) == len(ways):
        raise next(iter(broken.values()))
    results = [_median_of(name, answers) for name, answers in found.items() if name not in broken]
    by_name = {result["way"]: result for result in results}
    for result in results:
        peers = [by_name[name] for name in (PLAIN, DIFFUSERS) if name in by_name and name != result["way"]]
        result["ratios"] = {
            peer["way"]: {
                "speed": peer["seconds_per_step"] / result["seconds_per_step"],
                "memory": result["peak_bytes"] / peer["peak_bytes"],
            }
            for peer in peers
        }
    return results + [{"way": name, "error": str(error)} for name, error in broken.items()]


async def make_model(shape: str, folder: Path, told: Told) -> str:
    """A random-weight model of a true shape; its folder."""
    return str((await run_job("random-model", told, shape=shape, folder=str(folder)))["folder"])


async def _once(case: Case, way: Way, steps: int, pictures: Path, told: Told) -> dict[str, Any]:
    recipe = case.recipe(pictures).model_dump(mode="json")

    def named(news: Progress) -> None:
        told(news | {"phase": f"{way.name}: {news.get('phase', '')}"})

    if way.script is not None:
        named({"done": 0, "total": 1, "phase": "running"})
        return await _run_script(case, way.script, steps, pictures)
    if way.name == PLAIN:
        return await run_job("bench-plain", named, recipe=recipe, steps=steps)
    recipe["training"]["acceleration"] = way.acceleration
    return await run_job(
        "bench-engine",
        named,
        recipe=recipe,
        steps=steps,
        operators=way.operators,
        memory_gib=way.memory_gib,
        least_memory=way.least_memory,
    )


async def _run_script(case: Case, script: Path, steps: int, pictures: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tinv-bench-") as folder:
        result, total = Path(folder) / "result.json", steps + EXTRA_STEPS
        precision = {"fp32": "no"}.get(case.precision, case.precision)
        options = {
            "max_train_steps": total,
            "pretrained_model_name_or_path": bundled.FOLDER if case.model == "bundled" else case.model,
            "train_data_dir": pictures,
            "output_dir": Path(folder) / "out",
            "placeholder_token": "<bench>",
            "initializer_token": "thing",
            "resolution": case.size,
            "train_batch_size": case.batch,
            "learning_rate": 5e-4,
            "lr_warmup_steps": 0,
            "mixed_precision": precision,
            "save_steps": 10 * total,
            "checkpointing_steps": 10 * total,
            "seed": 1,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        process = await asyncio.create_subprocess_exec(
            *PYTHON,
            "-m",
            "tinv_tui.worker.bench.peer",
            str(script),
            str(result),
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if not result.exists():
            raise JobBroken(f"{script.name} ended without a result: {_last_word(said)}", "")
        answer: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return answer


def _last_word(said: bytes) -> str:
    """Of what a process wrote to its standard error: the last line that is no progress bar."""
    lines = [line.rsplit("\r", 1)[-1] for line in said.decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line.strip() and "it/s" not in line), "it said nothing")


def _median_of(name: str, answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def middle(key: str) -> float:
        return float(statistics.median(answer[key] for answer in answers))

    phases = {phase: statistics.median(a["phases"][phase] for a in answers) for phase in answers[0]["phases"]}
    seconds = middle("seconds_per_step")
    return {
        "way": name,
        "operators": answers[0].get("operators", ""),
        "plan": answers[0].get("plan", ""),
        "computing": answers[0].get("computing", ""),
        "seconds_per_step": seconds,
        "steps_per_second": 1 / seconds,
        "phases": phases,
        "peak_bytes": int(middle("peak_bytes")),
        "first_step_seconds": middle("first_step_seconds"),
        "device": answers[0]["device"],
        "threads": answers[0]["threads"],
        "rounds": [answer["seconds_per_step"] for answer in answers],
    }


def _draw_pictures(folder: Path, side: int) -> None:
    """Smooth pictures, all different, JPEG as photographs are."""
    folder.mkdir()
    for number in range(PICTURES):
        wave = Image.linear_gradient("L").rotate(60 * number)
        Image.merge("RGB", (wave, wave.rotate(90), wave.rotate(180))).resize((side, side)).save(
            folder / f"{number}.jpg", quality=92
        )


def check_script(script: Path) -> None:
    """Raises InputError where there is no script, or what it needs is not installed."""
    import importlib.util

    if not script.is_file():
        raise InputError(
            "script-missing", f"--diffusers: there is no file {script}", "Take it from diffusers' examples."
        )
    if importlib.util.find_spec("accelerate") is None:
        raise InputError("accelerate-missing", f"{script.name} needs accelerate", "pip install accelerate")
