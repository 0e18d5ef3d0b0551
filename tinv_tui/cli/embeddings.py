"""Commands on the library of embeddings: create, embeddings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from tinv_tui.cli.output import EXIT_FAILED, JobFailed, command, print_json
from tinv_tui.recipe import field_of, make_recipe
from tinv_tui.runs.creation import create_embedding, plan_creation
from tinv_tui.runs.jobs import JobBroken


def _help(key: str) -> str:
    """The help of a setting, from its declaration."""
    return " ".join((field_of(key).description or "").split())


@click.argument("name")
@click.option("--init-text", default="*", show_default=True, metavar="TEXT", help=_help("embedding.init_text"))
@click.option("--vectors", type=int, default=1, show_default=True, metavar="N", help=_help("embedding.vectors"))
@click.option("--model", required=True, metavar="MODEL", help=_help("model.path"))
@click.option(
    "--dataset", default="", metavar="FOLDER", help="The pictures it is meant for: warns when N is large for them."
)
@click.option("--overwrite", is_flag=True, help="Replace an embedding of this name.")
def _create(name: str, init_text: str, vectors: int, model: str, dataset: str, overwrite: bool, as_json: bool) -> None:
    """Make an embedding to train: vectors that start from words. Needs only the model's tokenizer and token table."""
    recipe = make_recipe(
        {
            "model": {"path": model},
            "embedding": {"name": name, "vectors": vectors, "init_text": init_text, "overwrite": overwrite},
            "dataset": {"path": dataset},
        },
        "create",
    )
    creation = plan_creation(recipe, Path.cwd())
    try:
        path = asyncio.run(create_embedding(creation))
    except (JobBroken, OSError) as error:
        raise JobFailed("create-failed", str(error), getattr(error, "hint", ""), EXIT_FAILED) from None
    if as_json:
        print_json(
            {
                "path": str(path),
                "name": creation.name,
                "vectors": creation.vectors,
                "family": creation.model.family.name,
                "warnings": [{"code": code, "message": message} for code, message in creation.warnings],
            }
        )
        return
    for _, message in creation.warnings:
        click.echo(f"warning: {message}", err=True)
    vectors_said = "1 vector" if creation.vectors == 1 else f"{creation.vectors} vectors"
    click.echo(f"created {path} ({vectors_said}, {creation.model.family.label})")


create = command("create")(_create)
