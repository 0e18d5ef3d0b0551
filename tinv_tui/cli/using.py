"""``tinv-tui use``: make a copy of a run its result."""

from __future__ import annotations

import click

from tinv_tui.cli.output import command, print_json, say
from tinv_tui.runs.folder import find_run
from tinv_tui.runs.use import use_copy


@click.argument("run")
@click.argument("step")
def _use(run: str, step: str, as_json: bool) -> None:
    """Make a copy the result: STEP is the step of a copy, "best" (lowest evaluation loss) or "last".

    What the result held is kept beside it.
    """
    folder = find_run(run)
    used = use_copy(folder, step)
    if not as_json:
        say(used.in_words())
        return
    print_json(
        {
            "path": str(used.path),
            "name": used.embedding.name,
            "vectors": used.embedding.count,
            "family": used.embedding.told_family,
            "step": used.embedding.step,
            "files": [str(path) for path in used.paths],
            "kept": str(used.kept[0]) if used.kept else None,
            "kept_files": [str(path) for path in used.kept],
            "run": str(folder.path),
            "message": used.in_words(),
        }
    )


use = command("use")(_use)
