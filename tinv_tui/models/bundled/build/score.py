"""``python -m tinv_tui.models.bundled.build.score``: one table of what the model, and embeddings on it, can draw.

Every figure comes from generated pictures: hues are measured, the rest is told by the classifier. Embeddings are trained
through the command line and drawn through the stock diffusers pipeline, as a user would. Rows that the work folder holds
already are not made again, so that a long scoring can be taken up, or shared by two processes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch
from torch import Tensor

from tinv_tui.atomic import write_atomic
from tinv_tui.models import bundled
from tinv_tui.models.bundled.build import words
from tinv_tui.models.bundled.build.classifier import Classifier, accuracy_on_drawn, get_classifier, through
from tinv_tui.models.bundled.build.concepts import LESSONS, Pictures, true_row
from tinv_tui.models.bundled.build.measure import mean_hue_error
from tinv_tui.models.bundled.build.painter import Painter
from tinv_tui.models.bundled.build.sets import draw_concept
from tinv_tui.models.bundled.build.table import markdown
from tinv_tui.models.bundled.build.vocabulary import make_vocabulary

Row = dict[str, float]
_EACH = 16
"""Pictures that an embedding, or what it is compared with, is judged by."""


def score_base(painter: Painter, classifier: Classifier, pictures: int) -> Row:
    """How often a prompt's shape, texture, background and look are drawn, and the hue error of its colour."""
    rng = np.random.default_rng(3)
    shapes = [s for s, names in words.SHAPES.items() if names and not names[0].startswith("_")]
    textures = ["plain", "striped", "dotted", "checkered"]
    right: dict[str, list[bool]] = {"shape": [], "texture": [], "background": [], "look": []}
    per_label: dict[str, list[bool]] = {}
    errors = list[float]()
    for start in range(0, pictures, 16):
        wanted = []
        for _ in range(16):
            colour = str(rng.choice(list(words.HUES)))
            hue = words.HUES[colour][0]
            behind = str(rng.choice(["white", "black", "gray", "beige"]))
            wanted.append((str(rng.choice(shapes)), str(rng.choice(textures)), colour, hue, behind))
        prompts = [f"a photo of a {c} {t} {s} on a {b} background" for s, t, c, _, b in wanted]
        painted = painter.paint(prompts, seed=start)
        said = classifier.say(painted)
        for i, (shape, texture, _, hue, behind) in enumerate(wanted):
            for question, label in (("shape", shape), ("texture", texture), ("background", behind)):
                right[question].append(said[question][i] == label)
                per_label.setdefault(f"{question} {label}", []).append(said[question][i] == label)
            errors.append(mean_hue_error([painted[i]], hue))
    looks = [k for k, names in words.LOOKS.items() if names and not names[0].startswith("_")]
    for start in range(0, pictures, 16):
        chosen = [str(rng.choice(looks)) for _ in range(16)]
        prompts = [f"a {rng.choice(list(words.HUES))} {rng.choice(shapes)} in the style of {look}" for look in chosen]
        said = classifier.say(painter.paint(prompts, seed=start))
        for i, look in enumerate(chosen):
            right["look"].append(said["look"][i] == look)
            per_label.setdefault(f"look {look}", []).append(said["look"][i] == look)
    found = {question: float(np.mean(answers)) for question, answers in right.items()}
    found |= {label: float(np.mean(answers)) for label, answers in sorted(per_label.items())}
    return {"hue error": float(np.mean(errors)), "hue error, median": float(np.median(errors)), **found}


def train_embedding(
    model: Path, home: Path, folder: Path, name: str, template: str, init: str, settings: Sequence[str]
) -> tuple[Path, float]:
    """Train through the command line; the embedding's file and the seconds from start to end."""
    recipe = home / f"{name}.toml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(
        f'[model]\npath = "{model}"\n[embedding]\nname = "{name}"\ninit_text = "{init}"\noverwrite = true\n'
        f'[dataset]\npath = "{folder}"\ntemplate = "{template}"\n[training]\nbatch_size = 4\n'
        "[saving]\nembedding_every = 0\nimage_every = 0\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tinv_tui", "train", str(recipe), "--headless", "--json"]
        + [part for setting in settings for part in ("--set", setting)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TINV_HOME": str(home)},
    )
    return Path(json.loads(done.stdout)["embedding"]), time.monotonic() - began


def score_standing(name: str, painter: Painter, classifier: Classifier, work: Path, table: Tensor | None) -> Row:
    """What an embedding is held against: its own pictures, the same through the VAE, the init word, the nearest named
    prompt, and, where training captions told the concept, the model given the very vector they used."""
    lesson = LESSONS[name]
    originals = draw_concept(_set_folder(work, name), lesson.concept, seed=5)
    batch = torch.from_numpy(np.stack(originals)).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = (through(painter.pipe.vae, batch).permute(0, 2, 3, 1).numpy() + 1) * 127.5

    def judged(pictures: Pictures) -> float:
        return lesson.judge(pictures, classifier)

    row = {
        "pictures": judged(originals),
        "through the VAE": judged(list(decoded.round().astype(np.uint8))),
        "init": judged(painter.paint([lesson.prompt(_init(name))] * _EACH)),
        "named": judged(painter.paint([lesson.named] * _EACH)),
    }
    true = true_row(lesson.concept, table, make_vocabulary().rows) if table is not None else None
    if true is not None:
        noun = f" {lesson.concept.shape}" if lesson.concept.hue is not None else " thing"
        word = "<true>" if lesson.is_look or lesson.concept.shape == name else f"<true>{noun}"
        row["true vector"] = judged(painter.paint_with(true[None], "<true>", [lesson.prompt(word)] * _EACH))
    return row


def score_embeddings(
    name: str,
    painter: Painter,
    classifier: Classifier,
    work: Path,
    *,
    vectors: int,
    seeds: int,
    settings: Sequence[str],
) -> Row:
    """The figure of embeddings trained on five pictures of the concept, over several seeds."""
    lesson = LESSONS[name]
    plain, white, seconds = list[float](), list[float](), list[float]()
    for seed in range(1, seeds + 1):
        word = f"zork{name.replace(' ', '')}{vectors}x{seed}"
        file, took = train_embedding(
            painter.folder,
            work / "score-home",
            _set_folder(work, name),
            word,
            "style" if lesson.is_look else "subject",
            _init(name),
            [f"training.seed={seed}", f"embedding.vectors={vectors}", *settings],
        )
        seconds.append(took)
        prompt = lesson.prompt("<word>")
        for figures, text in ((plain, prompt), (white, f"{prompt} on a white background")):
            pictures = painter.paint_with(painter.rows_of(file), "<word>", [text] * _EACH)
            figures.append(lesson.judge(pictures, classifier))
    return {
        "median": statistics.median(plain),
        "worst": max(plain) if lesson.concept.hue is not None else min(plain),
        "on white": statistics.median(white),
        "seconds": statistics.median(seconds),
    }


def _init(name: str) -> str:
    return "style" if LESSONS[name].is_look else "thing"


def _set_folder(work: Path, name: str) -> Path:
    return work / "score-sets" / name.replace(" ", "-")


def _trained_table(work: Path) -> Tensor | None:
    """The token table as it was trained, struck rows included; the shipped one has lost them."""
    progress = work / "unet.pt"
    if not progress.exists():
        return None
    weights = torch.load(progress, map_location="cpu", weights_only=True)["averaged"]
    table: Tensor = next(v for k, v in weights.items() if k.endswith("token_embedding.weight"))
    return table


def main() -> None:
    """Print the rows as they are made, keep them as JSON in the work folder, and write the tables there as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m tinv_tui.models.bundled.build.score", description=__doc__)
    parser.add_argument("--model", type=Path, default=bundled.FOLDER)
    parser.add_argument("--work", type=Path, default=Path("build-bundled"), help="the build's, for the true vectors")
    parser.add_argument("--pictures", type=int, default=256, help="for the base model")
    parser.add_argument("--concepts", nargs="*", default=list(LESSONS), choices=list(LESSONS))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--set", dest="settings", action="append", default=[], help="a recipe key for the embeddings")
    parser.add_argument("--vectors", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    painter = Painter(arguments.model)
    classifier = get_classifier(work / "classifier.pt", painter.pipe.vae, print)
    kept = work / "scores.json"

    def row(name: str, make: object) -> None:
        table: dict[str, Row] = json.loads(kept.read_text()) if kept.exists() else {}
        if name not in table:
            made: Row = make()  # type: ignore[operator]
            table = (json.loads(kept.read_text()) if kept.exists() else {}) | {name: made}
            write_atomic(kept, json.dumps(table, indent=1))
        print(f"{name}: " + "  ".join(f"{key} {value:.2f}" for key, value in table[name].items()), flush=True)

    row("classifier on drawn pictures", lambda: accuracy_on_drawn(classifier, None))
    row("classifier through the VAE", lambda: accuracy_on_drawn(classifier, painter.pipe.vae))
    if arguments.pictures:
        row("base model", lambda: score_base(painter, classifier, arguments.pictures))
    trained = _trained_table(work)
    settings = [f"training.steps={arguments.steps}", *arguments.settings]
    for name in arguments.concepts:
        row(name, lambda name=name: score_standing(name, painter, classifier, work, trained))
        for vectors in arguments.vectors:
            row(
                " ".join([name, f"{vectors}v", *settings]),
                lambda name=name, vectors=vectors: score_embeddings(
                    name, painter, classifier, work, vectors=vectors, seeds=arguments.seeds, settings=settings
                ),
            )
    write_atomic(work / "scores.md", markdown(json.loads(kept.read_text()), " ".join(settings)))


if __name__ == "__main__":
    main()
