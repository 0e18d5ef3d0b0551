"""The command that answers what a recipe comes to: plan."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tinv_tui.cli.output import command, duration, print_json, say
from tinv_tui.datasets.infotext import preview_values, read_infotext
from tinv_tui.models.tokenizer import CHUNK
from tinv_tui.presets import NAMES
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.estimates import Probe, estimate_time
from tinv_tui.runs.memory import memory_need, memory_warnings, settings_in_words
from tinv_tui.runs.neighbours import Neighbour, in_words
from tinv_tui.runs.plan import RunPlan, plan_run

preview_from_option = click.option(
    "--preview-from",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Take prompt, sampler, seed, size … of previews from a picture made by A1111 or Forge.",
)

presets_option = click.option(
    "--preset",
    "presets",
    multiple=True,
    metavar="NAME",
    help=f"A set of values to go over the recipe's: {', '.join(NAMES)}. Several go on top of each other, --set over all.",
)


def read_preview(picture: Path | None) -> dict[str, Any]:
    """What a picture's ``parameters`` say for [preview]; what cannot be carried over is said on stderr."""
    if picture is None:
        return {}
    values, notes = preview_values(read_infotext(Path(os.path.expanduser(picture))))
    for note in notes:
        say(f"{picture.name}: {note}", err=True)
    return values


@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one key, e.g. training.steps=500.")
@presets_option
@preview_from_option
@click.option("--probe", "wants_probe", is_flag=True, help="Measure speed and memory with a few steps; keeps nothing.")
def _plan(
    recipe: Path,
    overrides: tuple[str, ...],
    presets: tuple[str, ...],
    preview_from: Path | None,
    wants_probe: bool,
    as_json: bool,
) -> None:
    """What a recipe comes to: schedule, prompts, tokens, memory, time. Starts nothing."""
    asked = load_recipe(recipe, list(overrides), presets=presets, preview=read_preview(preview_from))
    resolved = plan_run(asked, recipe.absolute().parent, source=str(recipe))
    content = describe_plan(resolved, _probe(resolved) if wants_probe else None)
    if as_json:
        print_json(content)
        return
    say(f"embedding   {resolved.recipe.embedding.name} on {resolved.model.name} ({resolved.model.family.label})")
    say(f"rate        {resolved.rates.in_words()}")
    left_out = f", {content['left_out']} left out" if content["left_out"] else ""
    say(f"pictures    {content['images']}{left_out}, {content['steps_per_epoch']} steps an epoch")
    say(f"tokens      {content['tokens']['vectors']} taken by the embedding, {content['tokens']['left']} left")
    memory = content["memory"]
    about = "" if memory["measured"] else "about "
    say(f"memory      {about}{memory['peak_bytes'] / 2**30:.2f} GiB ({memory['settings']})")
    say(f"device      {_device_in_words(content['device'])}")
    say(f"time        {duration(content['estimate']['seconds'])} ({content['estimate']['basis']})")
    for prompt in content["prompts"]:
        say(f"prompt      {prompt}")
    say(f"previews    {_previews_in_words(resolved)}")
    for warning in content["warnings"]:
        say(f"warning     {warning['message']}")


def _probe(resolved: RunPlan) -> Probe:
    from tinv_tui.cli.job_line import wait_for_job

    return Probe.of(wait_for_job("probe", recipe=resolved.recipe.model_dump(mode="json")))


def _device_in_words(device: dict[str, Any]) -> str:
    text = str(device["name"])
    if device["free_bytes"] is not None and device["total_bytes"] is not None:
        text += f", {device['free_bytes'] / 2**30:.1f} of {device['total_bytes'] / 2**30:.1f} GiB free"
    others = in_words(tuple(Neighbour(**other) for other in device["others"]))
    return f"{text}; others there: {others}" if others else text


def _previews_in_words(plan: RunPlan) -> str:
    if not plan.recipe.saving.image_every:
        return "none"
    p = plan.recipe.preview
    of = "; ".join(p.prompts) if p.prompts else "the step's own prompt"
    return f"{of}  ({p.width}x{p.height}, {p.sampler}, {p.steps} steps, cfg {p.cfg:g}, seed {p.seed})"


def describe_plan(resolved: RunPlan, probe: Probe | None = None) -> dict[str, Any]:
    """The JSON fields of a plan, and what a probe measured."""
    vectors = resolved.recipe.embedding.vectors
    estimate = estimate_time(resolved, probe)
    need = memory_need(resolved, probe.peak_bytes, probe.memory_plan) if probe else memory_need(resolved)
    warnings = [*resolved.warnings, *memory_warnings(need)]
    return {
        "schedule": [{"rate": s.rate, "first": s.first, "last": s.last} for s in resolved.rates.spans],
        "prompts": resolved.sample_prompts(),
        "tokens": {"vectors": vectors, "left": CHUNK - vectors},
        "images": len(resolved.pictures),
        "left_out": sum(
            Path(resolved.recipe.dataset.path, name).is_file() for name in set(resolved.recipe.dataset.exclude)
        ),
        "steps_per_epoch": resolved.steps_per_epoch,
        "memory": {
            "peak_bytes": need.peak_bytes,
            "settings": settings_in_words(resolved, need),
            "plan": asdict(need.plan),
            "plan_words": need.plan_words,
            "measured": need.measured,
            "extra_bytes": need.extra_bytes,
            "free_bytes": need.room.free_bytes,
            "device": need.room.device,
        },
        "device": {
            "name": need.room.device,
            "free_bytes": need.room.free_bytes,
            "total_bytes": need.room.total_bytes,
            "others": [asdict(neighbour) for neighbour in need.neighbours],
        },
        "estimate": {"seconds": estimate.seconds, "basis": estimate.basis},
        "preview": resolved.recipe.preview.model_dump(mode="json"),
        "warnings": [{"code": code, "message": message} for code, message in warnings],
        **({"probe": asdict(probe)} if probe else {}),
    }


plan = command("plan")(_plan)
