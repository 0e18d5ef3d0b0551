"""The command preprocess: pictures in, a dataset out."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tinv_tui.cli.job_line import kept_story
from tinv_tui.cli.output import (
    EXIT_FAILED,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    JobFailed,
    command,
    duration,
    print_json,
    say,
    say_over,
)
from tinv_tui.datasets.preprocess import PreprocessPlan, occupants, plan_preprocess
from tinv_tui.printable import many
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.recipe_file import apply_override, read_tables, resolve_paths
from tinv_tui.runs.jobs import Job, JobBroken, JobCancelled, Progress
from tinv_tui.sections import PreprocessSection

_LINE_SECONDS = 5.0
_ARGUMENTS = ("source", "destination")


def _section_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each key of the section but the two folders, with the key's own help."""
    for key, info in reversed(PreprocessSection.model_fields.items()):
        if key in _ARGUMENTS:
            continue
        name, choices = key.replace("_", "-"), getattr(info.annotation, "__args__", ())
        shown = "" if info.default == "" else f"  [default: {_shown(info.default)}]"
        text = " ".join((info.description or "").split()) + shown
        if isinstance(info.default, bool) or set(choices) == {"auto", "on", "off"}:
            function = click.option(f"--{name}/--no-{name}", key, default=None, help=text)(function)
        else:
            kind = click.Choice(choices) if choices else type(info.default)
            kind = float if info.annotation is float else kind
            function = click.option(f"--{name}", key, type=kind, default=None, help=text)(function)
    return function


def _shown(default: Any) -> str:
    return ("on" if default else "off") if isinstance(default, bool) else str(default)


@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.argument("destination", required=False, type=click.Path(path_type=Path))
@click.option("--recipe", type=click.Path(path_type=Path), help="Take the [preprocess] table of this recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key, e.g. preprocess.width=768.")
@click.option("--dry-run", is_flag=True, help="Say what would be written; write nothing.")
@_section_options
def _preprocess(
    source: Path | None,
    destination: Path | None,
    recipe: Path | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Turn the pictures of SOURCE into a dataset in DESTINATION: one size, mirror images, captions."""
    wanted = _read(recipe, overrides, {"source": source, "destination": destination, **options})
    section, base_model = wanted.preprocess, wanted.model.path
    if dry_run:
        _say_dry_run(plan_preprocess(section, base_model), as_json)
        return
    written, skipped, result = asyncio.run(_run(section, base_model))
    content = {"written": written, "skipped": skipped, **result}
    if result.get("interrupted"):
        raise JobFailed(
            "interrupted", f"cancelled; {many(len(written), 'picture')} written, each whole",
            "Delete them, or start again with --into-existing.", EXIT_INTERRUPTED, content,
        )  # fmt: skip
    if not written:
        first = f"; {Path(skipped[0]['file']).name}: {skipped[0]['reason']}" if skipped else ""
        raise JobFailed(
            "preprocess-empty", f"preprocess.source: no picture of {section.source} could be read{first}",
            "Put pictures there, or give another folder.", EXIT_INPUT, content,
        )  # fmt: skip
    if as_json:
        print_json(content)
    else:
        _say_result(content)


preprocess = command("preprocess")(_preprocess)


def _read(path: Path | None, overrides: tuple[str, ...], given: dict[str, Any]) -> Recipe:
    """The recipe file, then ``--set``, then arguments and options. Raises InputError."""
    tables = read_tables(path) if path is not None else {}
    for override in overrides:
        apply_override(tables, override)
    beside = path.absolute().parent if path is not None else Path.cwd()
    recipe = resolve_paths(make_recipe(tables, str(path) if path is not None else "preprocess"), beside)
    typed = {key: _typed(key, value) for key, value in given.items() if value is not None}
    values = recipe.model_dump()
    values["preprocess"] |= typed
    return resolve_paths(make_recipe(values, "preprocess"), Path.cwd())


def _typed(key: str, value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    is_text = isinstance(PreprocessSection.model_fields[key].default, str)
    return ("on" if value else "off") if is_text and isinstance(value, bool) else value


async def _run(
    section: PreprocessSection, base_model: str
) -> tuple[list[dict[str, Any]], list[dict[str, str]], dict[str, Any]]:
    """What was written and skipped, in the order of the names, and the job's answer, or ``interrupted``."""
    job = await Job.start("preprocess", section=section.model_dump(), base_model=base_model)
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        if not task.cancelling():  # once: a second would end the waiting for what is already being ended
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    written: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []

    async def listen() -> None:
        async for news in job.progress():
            written.extend(news["written"])
            skipped.extend(news["skipped"])
            show(news)

    show = _Line()
    try:
        await listen()
        result = {**(job.result or {}), "interrupted": False}
    except JobBroken as error:
        hint = kept_story("preprocess", error) or "What is written stays, each picture whole and with its caption."
        raise JobFailed("job-broken", f"preprocess failed: {error}", hint, EXIT_FAILED, {"written": written}) from None
    except asyncio.CancelledError:
        await job.cancel()
        try:
            await listen()  # what was written before it heard
        except JobCancelled:
            pass
        result = {"interrupted": True}
    finally:
        show.close()
        await job.cancel()
    written.sort(key=lambda entry: str(entry["image"]))
    skipped.sort(key=lambda entry: entry["file"])
    return written, skipped, result


class _Line:
    """One line that renews itself in a terminal; a line now and then where stderr is a file."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = time.monotonic()

    def __call__(self, news: Progress) -> None:
        for gone in news["skipped"]:
            self._say(f"skipped {gone['file']}: {gone['reason']}", stays=True)
        now = time.monotonic()
        if self._live or now - self._shown > _LINE_SECONDS:
            self._shown = now
            left = (news["total"] - news["done"]) / news["rate"] if news["rate"] else None
            rate = f"  {news['rate']:.1f}/s  {duration(left)} left" if news["rate"] else ""
            self._say(f"picture {news['done']}/{news['total']}{rate}", stays=False)

    def _say(self, line: str, *, stays: bool) -> None:
        if self._live:
            say_over(line, stays=stays)
        else:
            say(line, err=True)

    def close(self) -> None:
        if self._live:
            say_over("")


def _say_dry_run(plan: PreprocessPlan, as_json: bool) -> None:
    written = [
        {
            "image": str(plan.destination / f"{name}.png"),
            "caption": str(plan.destination / f"{name}.txt") if plan.has_caption(picture) else None,
            "source": str(picture.source),
        }
        for picture in plan.pictures
        for name in picture.names
    ]
    skipped = [{"file": str(gone.file), "reason": gone.reason} for gone in plan.skipped]
    held = occupants(plan.destination)
    if as_json:
        more = {"dry_run": True, "destination_holds": held, "replaced": plan.replaced}
        print_json({"written": written, "skipped": skipped, **more})
        return
    for entry in written:
        say(f"{entry['source']} → {entry['image']}{'  + caption' if entry['caption'] else ''}")
    for gone in skipped:
        say(f"{gone['file']} skipped: {gone['reason']}")
    say(f"{many(len(plan.pictures), 'picture')} would become {len(written)}, {many(len(skipped), 'file')} skipped")
    by = " and ".join(found.model for found in plan.captioners) or "none made"
    say(f"captions: {by}; existing ones: {plan.caption_action}")
    if held:
        say(
            f"{plan.destination} holds {many(held, 'file')} already; {many(plan.replaced, 'picture')} would be replaced"
        )


def _say_result(content: dict[str, Any]) -> None:
    captions = sum(entry["caption"] is not None for entry in content["written"])
    say(f"{len(content['written'])} pictures and {captions} captions written, {len(content['skipped'])} skipped")
    say(f"in {duration(content['seconds'])}, {content['pictures_per_second']:.1f} pictures a second")
    say(f"dataset    {content['destination']}")
