"""The command that answers what a recipe comes to: plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinv_tui.cli.output import command, duration, print_json
from tinv_tui.models.tokenizer import CHUNK
from tinv_tui.recipe import load_recipe
from tinv_tui.runs.estimates import estimate_time
from tinv_tui.runs.plan import RunPlan, plan_run


@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one key, e.g. training.steps=500.")
def _plan(recipe: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """What a recipe comes to: schedule, prompts, tokens, memory, time. Starts nothing."""
    resolved = plan_run(load_recipe(recipe, list(overrides)), recipe.absolute().parent, source=str(recipe))
    content = describe_plan(resolved)
    if as_json:
        print_json(content)
        return
    click.echo(f"embedding   {resolved.recipe.embedding.name} on {resolved.model.name} ({resolved.model.family.label})")
    click.echo(f"rate        {resolved.rates.in_words()}")
    click.echo(f"pictures    {content['images']}, {content['steps_per_epoch']} steps an epoch")
    click.echo(f"tokens      {content['tokens']['vectors']} taken by the embedding, {content['tokens']['left']} left")
    click.echo(f"memory      about {content['memory']['peak_bytes'] / 2**30:.2f} GiB ({content['memory']['settings']})")
    click.echo(f"time        {duration(content['estimate']['seconds'])} ({content['estimate']['basis']})")
    for prompt in content["prompts"]:
        click.echo(f"prompt      {prompt}")
    for warning in content["warnings"]:
        click.echo(f"warning     {warning['message']}")


def describe_plan(resolved: RunPlan) -> dict[str, Any]:
    """The JSON fields of a plan."""
    vectors = resolved.recipe.embedding.vectors
    estimate = estimate_time(resolved)
    training = resolved.recipe.training
    return {
        "schedule": [{"rate": s.rate, "first": s.first, "last": s.last} for s in resolved.rates.spans],
        "prompts": resolved.sample_prompts(),
        "tokens": {"vectors": vectors, "left": CHUNK - vectors},
        "images": len(resolved.pictures),
        "steps_per_epoch": resolved.steps_per_epoch,
        "memory": {
            "peak_bytes": resolved.peak_bytes(),
            "settings": f"batch {training.batch_size}, precision {training.precision}; a rough figure",
        },
        "estimate": {"seconds": estimate.seconds, "basis": estimate.basis},
        "warnings": [{"code": code, "message": message} for code, message in resolved.warnings],
    }


plan = command("plan")(_plan)
