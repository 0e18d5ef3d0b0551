"""The command that measures: bench."""

from __future__ import annotations

import asyncio
import itertools
import signal
import tempfile
from pathlib import Path
from typing import Any

import click

from tinv_tui.cli.job_line import JobLine
from tinv_tui.cli.output import JobFailed, command, like_ctrl_c, print_json, say
from tinv_tui.errors import InputError
from tinv_tui.models import shapes
from tinv_tui.runs.benchmark import DIFFUSERS, PLAIN, Case, Way, check_script, make_model, measure
from tinv_tui.runs.jobs import JobBroken
from tinv_tui.telemetry.room import room_for_training


@click.option(
    "--model",
    "models",
    multiple=True,
    default=["bundled"],
    show_default=True,
    help=f"bundled, your own, or one of random weights: {', '.join(shapes.SHAPES)}.",
)
@click.option("--size", "sizes", type=click.IntRange(min=64), multiple=True, default=[64], show_default=True)
@click.option("--batch", "batches", type=click.IntRange(min=1), multiple=True, default=[1], show_default=True)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    multiple=True,
    default=["fp32"],
    show_default=True,
)
@click.option(
    "--operators",
    type=click.Choice(["auto", "stock", "frozen", "packed", "fused"]),
    multiple=True,
    default=["auto"],
    show_default=True,
    help="How our engine computes; auto is what a run takes.",
)
@click.option(
    "--acceleration",
    type=click.Choice(["auto", "eager", "compile"]),
    multiple=True,
    default=["auto"],
    show_default=True,
    help="As training.acceleration; eager also tells what the parts of a step take.",
)
@click.option(
    "--memory",
    "memories",
    type=click.FloatRange(min=1),
    multiple=True,
    metavar="GIB",
    help="Also with no more of the GPU's memory than a card of that size would give.",
)
@click.option("--least-memory", is_flag=True, help="Also by the plan that takes the least memory, whatever there is.")
@click.option("--plain/--no-plain", default=True, show_default=True, help="Also the loop as it is usually written.")
@click.option(
    "--diffusers",
    type=click.Path(path_type=Path),
    metavar="SCRIPT",
    help="Also diffusers' textual_inversion.py, or textual_inversion_sdxl.py, unmodified. Needs accelerate.",
)
@click.option("--steps", type=click.IntRange(min=2), default=30, show_default=True, help="Counted, of each way.")
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True, help="How often each way is run.")
@click.option(
    "--picture-size", type=click.IntRange(min=64), default=256, show_default=True, help="Of the JPEGs, a side."
)
def _bench(
    models: tuple[str, ...],
    sizes: tuple[int, ...],
    batches: tuple[int, ...],
    precisions: tuple[str, ...],
    operators: tuple[str, ...],
    acceleration: tuple[str, ...],
    memories: tuple[float, ...],
    least_memory: bool,
    plain: bool,
    diffusers: Path | None,
    steps: int,
    rounds: int,
    picture_size: int,
    as_json: bool,
) -> None:
    """How fast training is here, beside the usual loop and, if you have it, diffusers' script."""
    if memories and not room_for_training().on_gpu:
        hint = "Leave it out: a host's memory is not capped."
        raise InputError("bench-memory", "--memory: there is no GPU here", hint)
    plans = [*((gib, False) for gib in (0.0, *memories)), *([(0.0, True)] if least_memory else [])]
    ways = [
        Way(
            " ".join(["tinv-tui", *(word for word in (kind, how, _memory(gib, least)) if word not in ("auto", ""))]),
            kind,
            how,
            gib,
            least,
        )
        for kind, how, (gib, least) in itertools.product(operators, acceleration, plans)
    ]
    ways += [Way(PLAIN)] if plain else []
    if diffusers is not None:
        check_script(diffusers)
        ways.append(Way(DIFFUSERS, script=diffusers.absolute()))
    line, cases = JobLine(), []

    def measured(way: str, answer: dict[str, Any]) -> None:
        # At once: a bench that is ended has not measured for nothing.
        line.close()
        speed, memory = 1000 * answer["seconds_per_step"], answer["peak_bytes"] / 2**30
        say(f"{way}: {speed:.1f} ms/step, peak {memory:.2f} GiB", err=True)

    # Gigabytes of a model are not left behind by a link that is lost.
    with like_ctrl_c(signal.SIGHUP), tempfile.TemporaryDirectory(prefix="tinv-bench-models-") as folder:
        for model, size, batch, precision in itertools.product(models, sizes, batches, precisions):
            try:
                path = asyncio.run(_model_path(model, Path(folder), line))
                case = Case(path, size, batch, precision, picture_size)
                results = asyncio.run(measure(case, ways, steps, rounds, line.show, measured))
            except JobBroken as error:
                raise JobFailed("bench-broken", str(error), error.hint, 1) from None
            finally:
                line.close()
            cases.append({"model": model, "size": size, "batch": batch, "precision": precision, "results": results})
            if not as_json:
                _say(cases[-1])
    if as_json:
        print_json({"cases": cases})


def _memory(gib: float, least: bool) -> str:
    return f"{gib:g} GiB" if gib else "least memory" if least else ""


async def _model_path(model: str, folder: Path, line: JobLine) -> str:
    if model not in shapes.SHAPES:
        return model if model == "bundled" or "/" in model and not Path(model).exists() else str(Path(model).absolute())
    made = folder / model
    return str(made) if made.exists() else await make_model(model, made, line.show)


def _say(case: dict[str, Any]) -> None:
    results = [result for result in case["results"] if "error" not in result]
    first = results[0]
    where = f"{first['device']}, {first['threads']} thread{'s'[: first['threads'] != 1]}"
    say(f"{case['model']}, {case['size']} px, batch {case['batch']}, {case['precision']}, {where}")
    peers = [result["way"] for result in results if result["way"] in (PLAIN, DIFFUSERS)]
    head = f"  {'':22}{'ms/step':>9}{'steps/s':>9}{'peak GiB':>10}{'first step':>12}"
    say(head + "".join(f"{'x ' + peer:>16}{'memory':>8}" for peer in peers))
    for result in results:
        row = f"  {result['way']:22}{1000 * result['seconds_per_step']:9.1f}{result['steps_per_second']:9.2f}"
        row += f"{result['peak_bytes'] / 2**30:10.2f}{result['first_step_seconds']:10.1f} s"
        for peer in peers:
            ratio = result["ratios"].get(peer)
            row += f"{ratio['speed']:16.2f}{ratio['memory']:8.2f}" if ratio else f"{'':24}"
        say(row)
    for result in results:
        if result["computing"]:
            say(f"  {result['way']:22}{result['computing']}")
        if result["plan"]:
            say(f"  {result['way']:22}with {result['plan']}")
        if result["phases"]:
            parts = "  ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in result["phases"].items())
            say(f"  {result['way']:22}{parts} (ms)")
    for result in case["results"]:
        if "error" in result:
            say(f"  {result['way']:22}did not come to an end: {result['error']}")


bench = command("bench")(_bench)
