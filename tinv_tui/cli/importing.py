"""``tinv-tui import-a1111``: a recipe from the settings file of an A1111 training."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tinv_tui.atomic import write_atomic
from tinv_tui.cli.output import command, print_json, say
from tinv_tui.errors import InputError
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.a1111 import import_settings


@click.argument("settings", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The recipe to write; default: NAME.toml, here.")
@click.option("--overwrite", is_flag=True, help="Replace the recipe if it is there.")
@click.option("--model", default="", help="The base model: the file only knows its name.")
@click.option(
    "--models", type=click.Path(path_type=Path), metavar="FOLDER", help="Look for the model of that name here."
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one key, e.g. training.steps=500.")
def _import_a1111(
    settings: Path,
    out: Path | None,
    overwrite: bool,
    model: str,
    models: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a recipe from SETTINGS, the settings-….json that A1111 writes when it trains an embedding."""
    recipe, notes = import_settings(settings, model=model, models=models, overrides=list(overrides))
    path = Path(os.path.expanduser(out or f"{recipe.embedding.name}.toml")).absolute()
    if path.exists() and not overwrite:
        raise InputError("recipe-exists", f"{path} exists", "Give another --out, or --overwrite.")
    try:
        write_atomic(path, to_toml(recipe))
    except OSError as error:
        raise InputError("recipe-unwritable", f"--out: {error}", "Choose a folder you can write to.") from None
    if as_json:
        print_json({"path": str(path), "recipe": recipe.model_dump(mode="json"), "notes": notes})
        return
    for note in notes:
        say(f"note: {note}", err=True)
    say(str(path))


import_a1111 = command("import-a1111")(_import_a1111)
