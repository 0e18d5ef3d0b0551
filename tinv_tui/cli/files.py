"""Commands on single embedding files: inspect, convert."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from PIL import Image

from tinv_tui import paths
from tinv_tui.cli.output import command, print_json, say
from tinv_tui.datasets.picture_files import open_picture
from tinv_tui.embeddings import library
from tinv_tui.embeddings.cards import MOST_PIXELS
from tinv_tui.embeddings.embedding import Embedding, norms_of
from tinv_tui.embeddings.files import read_embedding, write_embedding
from tinv_tui.embeddings.formats import FORMATS, format_for
from tinv_tui.embeddings.library import accepted_by, misfit
from tinv_tui.embeddings.nearest import nearest_words
from tinv_tui.embeddings.writing import files_of, renamed
from tinv_tui.errors import InputError
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.identify import identify
from tinv_tui.printable import many


def describe(path: Path, embedding: Embedding) -> dict[str, Any]:
    """The JSON fields of an embedding file."""
    return {
        "path": str(path.absolute()),
        "format": embedding.format,
        "name": embedding.name,
        "family": embedding.told_family,
        "accepted_by": [family.name for family in accepted_by(embedding)],
        "vectors": embedding.count,
        "tensors": {key: list(rows.shape) for key, rows in embedding.vectors.items()},
        "step": embedding.step,
        "base_model": embedding.base_model,
        "norms": _rounded(embedding.norms),
        "details": dict(embedding.details),
    }


@click.argument("file", metavar="EMBEDDING", type=click.Path(path_type=Path))
@click.option("--model", default="", metavar="MODEL", help="A base model: whether it takes it, and its nearest words.")
@click.option("--term", default="", metavar="NAME", help="Which one, where the file holds several.")
def _inspect(file: Path, model: str, term: str, as_json: bool) -> None:
    """What an embedding is and holds: format, family, vectors, where it came from.

    EMBEDDING is a file, or a name in the library.
    """
    path = _file_of(file)
    embedding = read_embedding(path, term)
    content = describe(path, embedding)
    content["tensor_norms"] = {key: _rounded(norms_of(rows)) for key, rows in embedding.vectors.items()}
    if model:
        base = identify(model, Path.cwd())
        content["misfit"] = misfit(embedding, base) or None
        content["nearest"] = None if content["misfit"] else _nearest(embedding, base)
    content["history"] = dict(embedding.history)
    if as_json:
        print_json(content)
        return
    for line in _in_words(content, embedding):
        say(line)


def _rounded(numbers: list[float]) -> list[float]:
    return [round(n, 4) for n in numbers]


def _nearest(embedding: Embedding, base: BaseModel) -> dict[str, list[list[dict[str, Any]]]]:
    """By tensor, for each vector, the nearest words and their cosines."""
    return {
        tensor: [[{"word": word, "cosine": round(cosine, 4)} for word, cosine in near] for near in vectors]
        for tensor, vectors in nearest_words(embedding.vectors, base).items()
    }


def _in_words(content: Mapping[str, Any], embedding: Embedding) -> Iterator[str]:
    def line(key: str, value: object) -> str:
        return f"{key:<16} {'–' if value in (None, '') else value}"

    yield line("file", content["path"])
    yield line("format", content["format"])
    yield line("name", content["name"])
    takers = ", ".join(family.label for family in accepted_by(embedding)) or embedding.family
    told = embedding.details.get("family")
    yield line("for", takers or (f"{told}, of a width no published model has" if told else "no known family"))
    yield line("shape", " + ".join(f"{n} x {width} ({key})" for key, (n, width) in content["tensors"].items()))
    yield line("step", content["step"])
    yield line("base model", " ".join(filter(None, (content["base_model"], _hash_said(embedding)))))
    for key, norms in content["tensor_norms"].items():
        yield line("norms", f"{key}: " + " ".join(f"{norm:.3f}" for norm in norms))
    if "misfit" in content:
        yield line("on the model", content["misfit"] or "fits")
    for key, vectors in (content.get("nearest") or {}).items():
        for number, near in enumerate(vectors, start=1):
            words = ", ".join(f"{one['word']} {one['cosine']:.2f}" for one in near)
            yield line("near", f"{key} {number}: {words or 'nothing'}")
    for key, value in sorted(embedding.details.items()):
        if key not in ("base_model_hash", "sd_checkpoint", "family"):
            yield line(key.replace("_", " "), value)
    yield from _history(content["history"])


def _hash_said(embedding: Embedding) -> str:
    return f"[{embedding.base_model_hash[:10]}]" if embedding.base_model_hash else ""


def _history(history: Mapping[str, Any]) -> Iterator[str]:
    """A paragraph for each table; --json has it whole. What Preprocess was set to had no part in the run."""
    recipe = history.get("recipe")
    tables = {f"recipe {key}": value for key, value in recipe.items()} if isinstance(recipe, Mapping) else {}
    for key, value in {**{k: v for k, v in history.items() if k != "recipe"}, **tables}.items():
        if key != "recipe preprocess":
            said = f"made: {key}  {_said(value)}"
            yield from textwrap.wrap(said, 100, subsequent_indent=" " * 6, max_lines=6, placeholder=" …")


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "[" + ", ".join(map(_said, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value and not value.strip():
        return repr(value)
    return "–" if value in (None, "") else str(value)


@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--format", "form_name", default="", metavar="F", help=f"{', '.join(FORMATS)}. Else the extension says it."
)
@click.option("--picture", type=click.Path(path_type=Path), help="The picture under a PNG or WebP card.")
@click.option("--term", default="", metavar="NAME", help="Which one, where IN holds several.")
@click.option("--half", is_flag=True, help="fp16: half the size, a little less exact.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def _convert(
    source: Path,
    target: Path,
    form_name: str,
    picture: Path | None,
    term: str,
    half: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write an embedding in another tool's format; OUT's extension says which."""
    source, target = _given(source), _given(target)
    form = format_for(target, form_name)
    if picture is not None and form.container != "picture":
        raise InputError("picture-unused", f"--picture: {target} is no card", "Give an OUT that ends in .png or .webp.")
    if not target.parent.is_dir():
        raise InputError("folder-missing", f"there is no folder {target.parent}", "Make it first.")
    embedding = renamed(read_embedding(source, term), target, form)
    for file in files_of(target, embedding, form):
        if file.is_dir():
            raise InputError("folder-in-the-way", f"{file} is a folder", "Give the name of a file.")
        if file.exists() and not overwrite:
            raise InputError("file-exists", f"{file} is there already", "Give another name, or --overwrite.")
    under = _open_picture(_given(picture)) if picture is not None else None
    files = write_embedding(target, embedding, form, half=half, picture=under)
    content = {
        "path": str(target.absolute()),
        "name": embedding.name,
        "vectors": embedding.count,
        "family": embedding.told_family,
        "format": form.name,
        "files": [str(file.absolute()) for file in files],
    }
    if as_json:
        print_json(content)
        return
    said = many(embedding.count, "vector")
    say(f"wrote {' and '.join(map(str, files))} ({form.name}, {said}, called {embedding.name})")


def _given(path: Path) -> Path:
    """``~`` is the user's own folder. Another name behind it may be a file's, such as ``~old.pt``."""
    return Path(os.path.expanduser(path))


def _file_of(given: Path) -> Path:
    """The file that was given, else that of the library's embedding of this name. Raises InputError."""
    path, shelf = _given(given), paths.embeddings_folder()
    try:
        found = path if path.exists() else library.find(shelf, str(given))
    except OSError:
        return path  # such as a name that is too long: reading it says so
    if found is None:
        raise InputError(
            "embedding-missing",
            f"{str(given)!r} is neither a file nor an embedding in {shelf}",
            "Give a file, or a name that tinv-tui embeddings lists.",
        )
    return found


def _open_picture(path: Path) -> Image.Image:
    try:
        with open_picture(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError("picture-large", f"--picture: {path} is too large for a card", "")
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("picture-broken", f"--picture: {path} cannot be read: {error}", "") from None


inspect = command("inspect")(_inspect)
convert = command("convert")(_convert)
