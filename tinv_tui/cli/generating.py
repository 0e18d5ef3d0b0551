"""``tinv-tui generate``: pictures with finished embeddings, beside the same without them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tinv_tui.cli.job_line import wait_for_job
from tinv_tui.cli.output import EXIT_INTERRUPTED, command, print_json, say
from tinv_tui.errors import InputError
from tinv_tui.recipe import field_of, make_recipe
from tinv_tui.recipe_file import parse_value
from tinv_tui.runs.drawing import plan_drawing

_F = TypeVar("_F", bound=Callable[..., Any])

OPTIONS = {
    "negative": "preview.negative",
    "seed": "preview.seed",
    "steps": "preview.steps",
    "cfg": "preview.cfg",
    "sampler": "preview.sampler",
    "vae": "model.vae",
    "tiny_vae": "preview.tiny_vae",
    "prediction_type": "model.prediction_type",
    "clip_skip": "model.clip_skip",
    "precision": "training.precision",
}
"""Options that are settings of a recipe: help, default and limits are declared there."""


def _help(key: str) -> str:
    """The help of a setting, from its declaration."""
    return " ".join((field_of(key).description or "").split())


def _recipe_options(function: _F) -> _F:
    for name, key in reversed(OPTIONS.items()):
        info = field_of(key)
        default = f" [default: {info.default}]" if info.default != "" else ""
        function = click.option(f"--{name.replace('_', '-')}", name, help=f"{_help(key)}{default}")(function)
    return function


@click.argument("prompt")
@click.option("--model", required=True, help=_help("model.path"))
@click.option(
    "--embedding",
    "embeddings",
    multiple=True,
    metavar="FILE",
    help="An embedding: a name in the library or a file; may be given several times. Without: those of the library that "
    "the prompt names.",
)
@click.option("--compare/--no-compare", default=True, show_default=True, help="Draw each picture without them too.")
@click.option(
    "--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many seeds, one after another."
)
@click.option("--size", metavar="WxH", help="Picture size. Default: the model's native size.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the pictures. Default: TINV_HOME/pictures.")
@_recipe_options
def _generate(
    prompt: str,
    model: str,
    embeddings: tuple[str, ...],
    compare: bool,
    count: int,
    size: str | None,
    out: Path | None,
    as_json: bool,
    **settings: str | None,
) -> None:
    """Draw pictures with a finished embedding, and beside each the same prompt and seed without it."""
    values: dict[str, dict[str, Any]] = {"model": {"path": model}, "preview": _size(size)}
    for name, text in settings.items():
        if text is not None:
            section, _, key = OPTIONS[name].partition(".")
            values.setdefault(section, {})[key] = parse_value(OPTIONS[name], text)
    recipe = make_recipe(values, "generate")
    drawing = plan_drawing(prompt, recipe, Path.cwd(), embeddings=embeddings, count=count, compare=compare, folder=out)
    for _, message in drawing.said:
        say(message, err=True)
    images: list[dict[str, Any]] = []

    def keep(news: dict[str, Any]) -> None:
        if "image" in news:
            images.append(news["image"])

    said = [{"code": code, "message": message} for code, message in drawing.said]
    try:
        result = wait_for_job("generate", keep, **drawing.arguments()) | {"said": said}
    except KeyboardInterrupt:
        _say({"images": images, "interrupted": True, "said": said}, as_json)
        sys.exit(EXIT_INTERRUPTED)
    _say(result, as_json)


generate = command("generate")(_generate)


def _size(text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    sides = re.fullmatch(r"(\d+)[x×*](\d+)", text.strip(), re.IGNORECASE)
    if sides is None:
        raise InputError("size-malformed", f"--size {text}: this is no size", "Write width x height: --size 512x512.")
    return {"width": int(sides[1]), "height": int(sides[2])}


def _say(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for image in result["images"]:
        say(f"{'with' if image['with_embedding'] else 'without':<8} seed {image['seed']:<11} {image['path']}")
