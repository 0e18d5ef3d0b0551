"""The job ``generate``: pictures of one prompt, with embeddings and beside them without, at the same seeds."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from tinv_tui.datasets.infotext import KEYWORD, write_infotext
from tinv_tui.embeddings.cards import write_png
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.embeddings.packing import pack
from tinv_tui.models.base_model import BaseModel
from tinv_tui.models.hashes import known_hash
from tinv_tui.models.identify import identify
from tinv_tui.models.tokenizer import Chunk, Placeholder, PromptTokenizer
from tinv_tui.recipe import Recipe, make_recipe
from tinv_tui.runs.drawing import short_hash
from tinv_tui.training.previews import draw_preview
from tinv_tui.training.vectors import SplicingEncoder
from tinv_tui.worker.jobs import Desk
from tinv_tui.worker.result_folder import result_folder
from tinv_tui.worker.setup import choose_device, load

_LONGEST_NAME = 60


@dataclass(frozen=True)
class WovenPrompts:
    """Tokenises prompts in which some words stand for vectors of a stack."""

    tokenizer: PromptTokenizer
    placeholders: Sequence[Placeholder]

    def chunks(self, text: str) -> tuple[Chunk, ...]:
        return self.tokenizer.weave(text, self.placeholders)


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """Draw what a ``runs.drawing.Drawing`` says; each picture is told of as soon as its file is there.

    Folders that were made for the pictures stay only where there is one.
    """
    folder = Path(arguments["folder"])
    with result_folder(folder):
        return _draw(arguments, folder, desk)


def _draw(arguments: dict[str, Any], folder: Path, desk: Desk) -> dict[str, Any]:
    recipe = make_recipe(arguments["recipe"], "generate")
    prompt, seeds = str(arguments["prompt"]), list[int](arguments["seeds"])
    files = {name: Path(path) for name, path in arguments["embeddings"].items()}
    variants = [bool(files)] + ([False] if arguments["compare"] else [])
    total = len(seeds) * len(variants) * recipe.preview.steps
    desk.progress(0, 1, phase="loading")
    base = identify(recipe.model.path, folder)
    model = load(recipe, base, choose_device(), lambda done, n: desk.progress(done, n, phase="loading"))
    rows, placeholders = stack_vectors(files, model.device, base)
    encoder = SplicingEncoder(model, recipe.model.clip_skip)
    size = recipe.preview.width, recipe.preview.height
    hashes = {name: short_hash(path) for name, path in files.items()}
    model_hash = known_hash(base.path)
    done, images = 0, list[dict[str, Any]]()

    def took_a_step() -> bool:
        nonlocal done
        desk.progress(done, total, phase="drawing")
        done += 1
        return False

    for seed in seeds:
        for with_embedding in variants:
            # Without, the words are what they are to a model that never saw the embedding: plain text.
            prompts = WovenPrompts(model.tokenizer, placeholders if with_embedding else ())
            image = draw_preview(model, encoder, prompts, rows, prompt, recipe.preview, size, seed, took_a_step)
            told = hashes if with_embedding else None
            text = write_infotext(prompt, recipe.preview, size, seed, base.name, told, model_hash)
            marks = [str(seed)] + ([] if with_embedding or not files else ["without"])
            folder.mkdir(parents=True, exist_ok=True)  # another job that made it may have ended without a picture
            path = write_new(folder, "-".join([slug(prompt), *marks]), image, text)
            images.append({"path": str(path), "seed": seed, "with_embedding": with_embedding, "prompt": prompt})
            desk.progress(done, total, phase="drawing", image=images[-1])
    return {
        "images": images,
        "embeddings": list(files),
        "device": str(model.device),
        "model": base.name,
        **_settings(recipe, size),
    }


def stack_vectors(
    files: Mapping[str, Path], device: torch.device, base: BaseModel
) -> tuple[Tensor, tuple[Placeholder, ...]]:
    """The vectors of several embeddings one below the other, fp32 [n, base.width], and which word stands for which rows."""
    stack, placeholders, first = list[Tensor](), list[Placeholder](), 0
    for name, path in files.items():
        rows = torch.from_numpy(pack(read_embedding(path).vectors, base))
        placeholders.append(Placeholder(name, rows.shape[0], first))
        stack.append(rows)
        first += rows.shape[0]
    rows = torch.cat(stack) if stack else torch.zeros(1, base.width)
    return rows.to(device), tuple(placeholders)


def slug(prompt: str) -> str:
    """A prompt as the beginning of a file name: words joined with ``-``, cut at a word."""
    words = re.findall(r"\w+", prompt.lower())
    while len("-".join(words)) > _LONGEST_NAME and len(words) > 1:
        words.pop()
    return "-".join(words).encode()[:200].decode(errors="ignore") or "picture"


def write_new(folder: Path, stem: str, image: Image.Image, parameters: str) -> Path:
    """Write ``stem.png``, or ``stem-2.png`` … where there is one already; nothing is ever replaced. Raises OSError."""
    number = 1
    while True:
        path = folder / f"{stem if number == 1 else f'{stem}-{number}'}.png"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the name is ours from here on
            break
        except FileExistsError:
            number += 1
    try:
        write_png(path, image, {KEYWORD: parameters})
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _settings(recipe: Recipe, size: tuple[int, int]) -> dict[str, Any]:
    p = recipe.preview
    return {
        "negative": p.negative,
        "steps": p.steps,
        "sampler": p.sampler,
        "cfg": p.cfg,
        "width": size[0],
        "height": size[1],
    }
