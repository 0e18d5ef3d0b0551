"""``check``: what is wrong with a dataset."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from tinv_tui import paths
from tinv_tui.cli.output import EXIT_INPUT, JobFailed, command, duration, print_json, say, say_over
from tinv_tui.datasets.captions import NameCaptions
from tinv_tui.datasets.checks import CheckSettings, check_dataset, usable
from tinv_tui.datasets.findings import Finding, by_code, in_one_line
from tinv_tui.datasets.looking import look_through
from tinv_tui.datasets.pictures import TAKE_ONE_FOLDER, list_pictures, pictures_below, without
from tinv_tui.datasets.templates import read_template
from tinv_tui.errors import InputError
from tinv_tui.models.identify import identify
from tinv_tui.models.tokenizer import tokenizer_for
from tinv_tui.printable import cells, filled, many, printable
from tinv_tui.recipe import field_of, make_recipe
from tinv_tui.sections import DatasetSection

_MARKS = {"error": "✖", "warning": "!", "information": "·"}
_SAME_FOR_ALL = {"caption-missing", "size-differs", "format", "turned"}
"""Said once where more than a few pictures have it: it is hardly about the single one."""
_A_FEW, _MANY = 3, 20
"""Whatever else more pictures than the second have is said once, too; the files are in the JSON."""
_SIZE_WITHOUT_MODEL = 512
_QUIET_SECONDS = 1.0


def _help(key: str, more: str = "") -> str:
    return " ".join((field_of(key).description or "").split()) + more


@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--model", default="", help=f"{_help('model.path').removesuffix(' Required.')} Without it sizes are for 512."
)
@click.option("--width", type=int, default=0, help=_help("dataset.width"))
@click.option("--height", type=int, default=0, help=_help("dataset.height"))
@click.option("--sizes", type=click.Choice(["bucket", "resize", "crop"]), default="bucket", help=_help("dataset.sizes"))
@click.option("--template", default=DatasetSection().template, show_default=True, help=_help("dataset.template"))
@click.option("--name", default="", help=_help("embedding.name").replace(" Required.", ""))
@click.option("--vectors", type=int, default=1, show_default=True, help=_help("embedding.vectors"))
@click.option("--filename-regex", default="", help=_help("dataset.filename_regex"))
@click.option("--filename-join", default=" ", help=_help("dataset.filename_join"))
@click.option(
    "--exclude", multiple=True, metavar="NAME", help="Leave a picture out, as dataset.exclude does; repeatable."
)
def _check(
    dataset: Path,
    model: str,
    width: int,
    height: int,
    sizes: str,
    template: str,
    name: str,
    vectors: int,
    filename_regex: str,
    filename_join: str,
    exclude: tuple[str, ...],
    as_json: bool,
) -> None:
    """What is wrong with the pictures of a folder, and what to do about it. Exit code 2 when none can be used."""
    section = {
        "width": width,
        "height": height,
        "sizes": sizes,
        "filename_regex": filename_regex,
        "filename_join": filename_join,
    }
    wanted = make_recipe({"dataset": section, "embedding": {"vectors": vectors, "name": name}}, "check")
    base = identify(model, Path.cwd()) if model else None
    native = base.native_size if base is not None else _SIZE_WITHOUT_MODEL
    settings = CheckSettings(
        width=wanted.dataset.width or native,
        height=wanted.dataset.height or native,
        sizes=wanted.dataset.sizes,
        grid=base.size_grid if base is not None else 64,
        template=tuple(read_template(paths.find_template(template, Path.cwd()))),
        name=wanted.embedding.name,
        vectors=wanted.embedding.vectors,
        tokenizer=tokenizer_for(base.tokenizer_folder) if base is not None else None,
    )
    folder = Path(os.path.expanduser(dataset)).absolute()
    there = list_pictures(folder, NameCaptions(filename_regex, filename_join))
    absent = sorted(set(exclude) - {entry.path.name for entry in there})
    if absent:
        raise InputError(
            "exclude-absent", f"--exclude: {folder} has no picture {absent[0]}", "Give names of files there."
        )
    entries = without(there, exclude)
    look = look_through([entry.path for entry in usable(entries)], settings.side, progress=_Progress())
    findings = check_dataset(entries, settings, look)
    unreadable = {finding.file for finding in findings if finding.code == "unreadable"}
    images = len(entries) - len(unreadable)
    content = {
        "dataset": str(folder),
        "images": images,
        "width": settings.width,
        "height": settings.height,
        "problems": [_as_json(finding, folder) for finding in findings],
    }
    if not as_json:
        say(f"{folder}: {many(images, 'picture')}, for training at {settings.width} × {settings.height}")
        say("")
        _print(findings, len(entries))
    nothing = next((finding for finding in findings if finding.code == "dataset-empty"), None)
    if nothing is not None:
        said, hint = nothing.message, nothing.hint
        if not there and (below := pictures_below(folder)):
            said, hint = f"there is no picture in it, but in its subfolders: {below}", TAKE_ONE_FOLDER
        raise JobFailed(nothing.code, f"{folder}: {said}", hint, EXIT_INPUT, content)
    if as_json:
        print_json(content)


def _as_json(finding: Finding, folder: Path) -> dict[str, str]:
    """What is about the whole set has the folder as its file."""
    return {
        "file": str(finding.file or folder),
        "code": finding.code,
        "message": finding.message,
        "severity": finding.severity,
        "hint": finding.hint,
    }


def _print(findings: list[Finding], pictures: int) -> None:
    """``pictures`` counts those that cannot be read too: what many have is told of so many."""
    alike = {
        code: found
        for code, found in by_code(findings).items()
        if len(found) > (_A_FEW if code in _SAME_FOR_ALL else _MANY)
    }
    width = max(
        (cells(printable(f.file.name)) for f in findings if f.file is not None and f.code not in alike), default=0
    )
    for finding in findings:
        if finding.file is not None and finding.code not in alike:
            name = filled(printable(finding.file.name), min(width, 32))
            say(f"{_MARKS[finding.severity]} {name}  {finding.message}")
    for found in alike.values():
        say(f"{_MARKS[found[0].severity]} {in_one_line(found, pictures)}")
    if not alike.keys() <= _SAME_FOR_ALL:
        say("  (--json names every picture)")
    for finding in findings:
        if finding.file is None and finding.code != "dataset-empty":
            say(f"{_MARKS[finding.severity]} {finding.message}")
    hints = {finding.code: finding.hint for finding in findings if finding.severity == "warning"}
    if hints:
        say("")
        say("what to do")
        for code, hint in hints.items():
            say(f"  {code:<20} {hint}")
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in _MARKS}
    words = {"error": ("error", "errors"), "warning": ("warning", "warnings"), "information": ("for information",) * 2}
    said = ", ".join(f"{count} {words[severity][count > 1]}" for severity, count in counts.items() if count)
    if said:
        say("")
    say(said or "nothing to complain about")


class _Progress:
    """One line on stderr that is written over, once the check has taken a moment; in a log, a line now and then."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._is_terminal = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        wait = 0.2 if self._is_terminal else 10.0
        if now - self._began < _QUIET_SECONDS or (now - self._said < wait and done < total):
            return
        self._said, rate = now, done / (now - self._began)
        line = f"looked at {done} of {many(total, 'picture')}, {rate:.0f}/s, {duration((total - done) / rate)} left"
        if self._is_terminal:
            say_over(line if done < total else "")
        elif done < total:
            say(line, err=True)


check = command("check")(_check)
