"""Commands on the library of embeddings: create, embeddings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from tinv_tui import paths
from tinv_tui.cli.files import describe
from tinv_tui.cli.output import EXIT_FAILED, JobFailed, command, print_json, say
from tinv_tui.embeddings import library
from tinv_tui.embeddings.shelves import read_shelves
from tinv_tui.printable import filled, many
from tinv_tui.recipe import field_of, make_recipe
from tinv_tui.runs.creation import create_embedding, plan_creation


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
    except OSError as error:
        said = f"{creation.path} cannot be written: {error.strerror or error}"
        raise JobFailed("create-failed", said, "", EXIT_FAILED) from None
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
        say(f"warning: {message}", err=True)
    vectors_said = many(creation.vectors, "vector")
    say(f"created {path} ({vectors_said}, {creation.model.family.label})")


def _embeddings(as_json: bool) -> None:
    """The embeddings of the library and of the settings' further folders, and why others of their files cannot be used."""
    folder = paths.embeddings_folder()
    entries = read_shelves()
    if as_json:
        print_json({"embeddings": [_entry(entry) for entry in entries]})
        return
    if not entries:
        say(f"no embeddings in {folder} yet", err=True)
    for entry in entries:
        held = entry.embedding
        if entry.path.parent != folder:
            folder = entry.path.parent
            say(f"{folder}:")
        if held is None or entry.reason:
            say(f"! {entry.path.name}: {entry.reason}")
            continue
        width = " + ".join(str(rows.shape[1]) for rows in held.vectors.values())
        step = "–" if held.step is None else held.step
        family = held.told_family or "–"
        say(f"{filled(entry.name, 28)} {held.count:>3} × {width:<11} {family:<5} step {step:<8} {entry.day}")


def _entry(entry: library.Entry) -> dict[str, Any]:
    """Inspect's fields, and ``reason``: null, or why the file cannot be used; the fields are null then."""
    more = {"reason": entry.reason or None, "modified": entry.modified.isoformat(timespec="seconds")}
    if entry.embedding is not None:
        return describe(entry.path, entry.embedding) | more
    unknown = dict.fromkeys(
        ("format", "family", "vectors", "tensors", "step", "base_model", "norms", "details", "accepted_by")
    )
    return {"path": str(entry.path.absolute()), "name": entry.name, **unknown, **more}


create = command("create")(_create)
embeddings = command("embeddings")(_embeddings)
