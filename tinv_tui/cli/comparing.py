"""The command that puts runs side by side: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinv_tui.cli.columns import in_columns, terminal_width
from tinv_tui.cli.output import command, duration, print_json, say
from tinv_tui.errors import InputError
from tinv_tui.runs.comparison import ComparedRun, differing_keys, read_all, write_curves
from tinv_tui.runs.folder import find_run


@click.argument("runs", nargs=-1, required=True)
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE", help="Also write all curves to FILE."
)
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def _compare(runs: tuple[str, ...], csv_path: Path | None, overwrite: bool, as_json: bool) -> None:
    """Put runs side by side: where they stand, and the settings they differ in."""
    folders = list(dict.fromkeys(find_run(run) for run in runs))
    if len(folders) < 2:
        raise InputError("compare-one", "one run has nothing to be compared with", "Name two or more: tinv-tui runs")
    found = read_all(folders)
    if csv_path is not None:
        try:
            if csv_path.exists() and not csv_path.is_dir() and not overwrite:
                hint = "Give another name, or --overwrite."
                raise InputError("file-exists", f"--csv: {csv_path} is there already", hint)
            write_curves(found, csv_path)
        except OSError as error:
            raise InputError(
                "csv-unwritable", f"--csv: {csv_path}: {error.strerror}", "Choose another place."
            ) from None
    if as_json:
        print_json({"runs": [_facts(run) for run in found], "differing": dict(differing_keys(found))})
        return
    table = [("run", "state", "step", "loss", "best evaluation", "trained"), *map(_cells, found)]
    for line in in_columns(table, name=0, numbers=(2, 3, 5), width=terminal_width()):
        say(line)
    for key, values in differing_keys(found):
        say("")
        say(key)
        settings = [("  " + run.name, str(value)) for run, value in zip(found, values, strict=True)]
        for line in in_columns(settings, name=0, numbers=(), width=None):
            say(line)
    if csv_path is not None:
        say("")
        say(f"written: {csv_path}")


def _cells(run: ComparedRun) -> tuple[str, ...]:
    best = f"{run.best[1]:.4f} at {run.best[0]}" if run.best else "–"
    loss = f"{run.last_loss:.4f}" if run.last_loss is not None else "–"
    return run.name, run.state, f"{run.step}/{run.steps}", loss, best, duration(run.training_seconds)


def _facts(run: ComparedRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "state": run.state,
        "step": run.step,
        "steps": run.steps,
        "loss": run.last_loss,
        "best_evaluation": run.best[1] if run.best else None,
        "best_step": run.best[0] if run.best else None,
        "training_seconds": run.training_seconds,
        "previews": {str(step): str(path) for step, path in run.previews.items()},
    }


compare = command("compare")(_compare)
