"""``tinv-tui models``: the base models of this machine, the folders they are looked for in, their hashes, and the Hub."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from tinv_tui.cli.job_line import JobLine, wait_for_job
from tinv_tui.cli.output import EXIT_FAILED, JobFailed, command, megabytes, print_json, say
from tinv_tui.datasets.pictures import list_pictures
from tinv_tui.errors import InputError
from tinv_tui.models.browse import ModelEntry, list_models
from tinv_tui.models.hashes import model_hash
from tinv_tui.models.hub import cached_folder, is_hub_id
from tinv_tui.printable import cells, column
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import resolve_paths
from tinv_tui.settings import KINDS, add_folder, forget_folder, settings_file

_EVERY = ""


@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[FOLDER]…")
@click.option("--add", type=click.Path(path_type=Path), metavar="FOLDER", help="List this folder too, from now on: of "
              "models, of embeddings, or that of an A1111, Forge or ComfyUI installation; its layout tells.")  # fmt: skip
@click.option("--forget", type=click.Path(path_type=Path), metavar="FOLDER", help="List it no more.")
@click.option("--hash", "to_hash", is_flag=False, flag_value=_EVERY, metavar="[NAME]", help="Compute the hash of one "
              "model, or all that are missing; A1111 prints the same.")  # fmt: skip
@click.option("--fetch", metavar="OWNER/NAME", help="Bring a model from the Hub onto this machine.")
def _models(
    folders: tuple[Path, ...],
    add: Path | None,
    forget: Path | None,
    to_hash: str | None,
    fetch: str | None,
    as_json: bool,
) -> None:
    """The base models of this machine, or of some folders, and why others of their files cannot be trained on."""
    if sum(given is not None for given in (add, forget, to_hash, fetch)) > 1:
        raise InputError("usage", "--add, --forget, --hash and --fetch are each done by itself", "Give one of them.")
    if add is not None or forget is not None:
        _change(add, forget, as_json)
    elif fetch is not None:
        _say_fetched(fetch_model(fetch), as_json)
    else:
        _list(folders, to_hash, as_json)


models = command("models")(_models)


def fetch_if_missing(recipe: Recipe, beside: Path) -> None:
    """Fetch the model of a recipe that names it by a hub id and is not on this machine, said on stderr.

    Gigabytes are not fetched for a recipe whose dataset does not open. Raises InputError, JobFailed or KeyboardInterrupt.
    """
    hub_id = recipe.model.path.strip()
    if not is_hub_id(hub_id, beside) or cached_folder(hub_id) is not None:
        return
    list_pictures(Path(resolve_paths(recipe, beside).dataset.path))
    say(f"{hub_id} is not on this machine: fetching it from the Hub", err=True)
    fetch_model(hub_id)


def fetch_model(hub_id: str) -> dict[str, Any]:
    """``hub_id`` and ``folder``; progress on stderr. Raises InputError, JobFailed or KeyboardInterrupt."""
    try:
        return wait_for_job("fetch", hub_id=hub_id)
    except InputError as error:
        if error.code != "hub-unreachable":
            raise
        raise JobFailed(error.code, error.message, error.hint, EXIT_FAILED) from None  # nothing is wrong with the id


def _change(add: Path | None, forget: Path | None, as_json: bool) -> None:
    try:
        if add is not None:
            kind, folder = add_folder(add)
            said: dict[str, Any] = {"settings": str(settings_file()), "folder": str(folder), "kind": kind}
            words = f"{folder} is listed as {KINDS[kind]}"
        else:
            assert forget is not None
            folder = forget_folder(forget)
            said = {"settings": str(settings_file()), "folder": str(folder), "kind": None}
            words = f"{folder} is listed no more"
    except OSError as error:
        raise JobFailed("settings-unwritable", f"{settings_file()}: {error.strerror}", "", EXIT_FAILED) from None
    print_json(said) if as_json else say(words)


def _say_fetched(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"name": result["hub_id"], "path": result["folder"]})
    else:
        say(f"{result['hub_id']} is here: {result['folder']}")


def _list(folders: tuple[Path, ...], to_hash: str | None, as_json: bool) -> None:
    looked = [Path(os.path.expanduser(folder)).absolute() for folder in folders] or None
    for folder in looked or ():
        if not folder.exists():
            raise InputError("folder-missing", f"there is no folder {folder}", "Give a folder that is there.")
    listing = list_models(looked)
    if to_hash is not None:
        _hash(_named(listing.entries, to_hash))
        listing = list_models(looked)
    for note in listing.notes:
        say(f"! {note}", err=True)
    if as_json:
        print_json({"models": [_fields(entry) for entry in listing.entries]})
        return
    for line in _table(listing.entries):
        say(line)
    if looked is not None and not listing.entries:
        say(f"no models in {', '.join(map(str, looked))}", err=True)
    if looked is None and len(listing.entries) == 1:
        say("only the bundled model yet: tinv-tui models --add FOLDER lists a folder of yours", err=True)


def _named(entries: tuple[ModelEntry, ...], name: str) -> list[ModelEntry]:
    """The models to hash. Raises InputError when none is called so."""
    if name == _EVERY:
        return [entry for entry in entries if entry.hash is None and not entry.reason]
    found = [e for e in entries if name in (e.name, e.value, e.path.name) or Path(name).absolute() == e.path]
    if not found:
        there = ", ".join(entry.name for entry in entries[:12])
        raise InputError("model-missing", f"there is no model named {name!r}", f"There are: {there}.")
    return found


def _hash(entries: list[ModelEntry]) -> None:
    line = JobLine()
    try:
        for number, entry in enumerate(entries, start=1):
            phase = f"hashing {entry.name}" + (f" ({number} of {len(entries)})" if len(entries) > 1 else "")
            try:
                model_hash(
                    entry.path,
                    lambda done, total, phase=phase: line.show(  # type: ignore[misc]
                        {"done": done, "total": total, "phase": phase, "unit": "bytes"}
                    ),
                )
            except OSError as error:
                say(f"! {entry.path}: {error.strerror or error}", err=True)
    finally:
        line.close()


def _fields(entry: ModelEntry) -> dict[str, Any]:
    return {
        "path": str(entry.path),
        "name": entry.name,
        "value": entry.value,
        "family": entry.family,
        "native_size": entry.native_size,
        "prediction_type": entry.prediction_type,
        "bytes": entry.bytes,
        "modified": entry.modified.isoformat(timespec="seconds"),
        "hash": entry.hash,
        "reason": entry.reason or None,
    }


def _table(entries: tuple[ModelEntry, ...]) -> list[str]:
    """A line for each; paths last, since they are the longest."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    room = min(32, max((cells(entry.name) for entry in entries), default=0))
    lines = []
    for entry in entries:
        name = column(entry.name, room)
        if entry.reason:
            lines.append(f"! {name}  {entry.reason}  {entry.path}"[:width])
            continue
        kind = f"{entry.family or '':<6} {entry.native_size or '':>4}  {entry.prediction_type or '':<12}"
        lines.append(f"  {name}  {kind} {megabytes(entry.bytes):>9}  {entry.hash or '–':<10}  {entry.path}"[:width])
    return lines
