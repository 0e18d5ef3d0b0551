"""``python -m tinv_tui.models.bundled.build.score``: one table of what the model, and embeddings on it, can draw.

Every figure comes from generated pictures: hues are measured, the rest is told by the classifier. Embeddings are trained
through the command line and drawn through the stock diffusers pipeline, as a user would.
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
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from tinv_tui.models import bundled
from tinv_tui.models.bundled.build import words
from tinv_tui.models.bundled.build.classifier import Classifier, accuracy_on_drawn, get_classifier
from tinv_tui.models.bundled.build.measure import mean_hue_error
from tinv_tui.models.bundled.build.sets import Concept, draw_concept

GUIDANCE = 3.0
SAMPLING_STEPS = 20
Pictures = list[NDArray[np.uint8]]

CONCEPTS: dict[str, Concept] = {
    "chartreuse circle": Concept(hue=86, shape="circle"),
    "indigo square": Concept(hue=254, shape="square"),
    "rose ring": Concept(hue=326, shape="ring"),
    "jade star": Concept(hue=147, shape="star"),
    "amber cross": Concept(hue=43, shape="cross"),
    "orchid heart": Concept(hue=289, shape="heart"),
    "flower": Concept(shape="flower"),
    "crescent": Concept(shape="crescent"),
    "bolt": Concept(shape="bolt"),
    "banded": Concept(texture="banded"),
    "neon": Concept(look="neon"),
}
"""What embeddings are taught. The first three ship as sets; the next three hues were used for no decision."""

NAMED: dict[str, str] = {
    "chartreuse circle": "a photo of a green circle",
    "indigo square": "a photo of a blue square",
    "rose ring": "a photo of a crimson ring",
    "jade star": "a photo of a teal star",
    "amber cross": "a photo of an orange cross",
    "orchid heart": "a photo of a magenta heart",
    "flower": "a photo of a star",
    "crescent": "a photo of a ring",
    "bolt": "a photo of a wedge",
    "banded": "a photo of a striped thing",
    "neon": "a photo of a thing in the style of outline",
}
"""The nearest thing the vocabulary can say."""


@dataclass(frozen=True)
class Question:
    """How pictures of a concept are judged: distance to a hue, or share of a label."""

    concept: Concept

    def judge(self, pictures: Pictures, classifier: Classifier) -> float:
        """Degrees of hue error, or the share of pictures that show the shape, texture or look."""
        if self.concept.hue is not None:
            return mean_hue_error(pictures, self.concept.hue)
        kind = "shape" if self.concept.shape else "texture" if self.concept.texture else "look"
        wanted = getattr(self.concept, kind)
        return float(np.mean([label == wanted for label in classifier.say(pictures)[kind]]))


class Painter:
    """The stock pipeline on one model folder."""

    def __init__(self, folder: Path) -> None:
        self.pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, safety_checker=None)
        self.pipe.set_progress_bar_config(disable=True)

    def paint(self, prompts: Sequence[str], seed: int = 11) -> Pictures:
        """One 64 x 64 picture for each prompt."""
        images = self.pipe(
            list(prompts),
            num_inference_steps=SAMPLING_STEPS,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ).images
        return [(image * 255).round().astype(np.uint8) for image in images]


def score_base(painter: Painter, classifier: Classifier, pictures: int) -> dict[str, float]:
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
    home: Path, folder: Path, name: str, template: str, init: str, *, steps: int, vectors: int, seed: int
) -> tuple[Path, float]:
    """Train through the command line; the embedding's file and the seconds from start to end."""
    recipe = home / f"{name}.toml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(
        f'[model]\npath = "bundled"\n[embedding]\nname = "{name}"\ninit_text = "{init}"\nvectors = {vectors}\n'
        f'overwrite = true\n[dataset]\npath = "{folder}"\ntemplate = "{template}"\n'
        f"[training]\nsteps = {steps}\nbatch_size = 4\nseed = {seed}\n[saving]\nembedding_every = 0\nimage_every = 0\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tinv_tui", "train", str(recipe), "--headless", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TINV_HOME": str(home)},
    )
    return Path(json.loads(done.stdout)["embedding"]), time.monotonic() - began


def score_concept(
    name: str, painter: Painter, classifier: Classifier, work: Path, *, steps: int, vectors: Sequence[int], seeds: int
) -> dict[str, float]:
    """The concept's figure for init word, nearest named prompt, the pictures themselves, and embeddings."""
    concept, is_style = CONCEPTS[name], CONCEPTS[name].look is not None
    question = Question(concept)
    folder = work / "score-sets" / name.replace(" ", "-")
    originals = draw_concept(folder, concept, seed=5)
    init = "style" if is_style else "thing"
    row = {
        "pictures": question.judge(originals, classifier),
        "init": question.judge(painter.paint([_prompt(init, is_style)] * 16), classifier),
        "named": question.judge(painter.paint([NAMED[name]] * 16), classifier),
    }
    for count in vectors:
        plain, white, seconds = list[float](), list[float](), list[float]()
        for seed in range(1, seeds + 1):
            word = f"zork{name.replace(' ', '')}{count}x{seed}"
            template = "style" if is_style else "subject"
            file, took = train_embedding(
                work / "score-home", folder, word, template, init, steps=steps, vectors=count, seed=seed
            )
            seconds.append(took)
            painter.pipe.load_textual_inversion(file, token=f"<{word}>")
            plain.append(question.judge(painter.paint([_prompt(f"<{word}>", is_style)] * 16), classifier))
            white.append(
                question.judge(painter.paint([f"a photo of a <{word}> on a white background"] * 16), classifier)
            )
            painter.pipe.unload_textual_inversion(f"<{word}>")
        row |= {
            f"{count}v median": statistics.median(plain),
            f"{count}v worst": max(plain) if concept.hue is not None else min(plain),
            f"{count}v on white": statistics.median(white),
            f"{count}v seconds": statistics.median(seconds),
        }
    return row


def _prompt(word: str, is_style: bool) -> str:
    return f"a picture of a thing in the style of {word}" if is_style else f"a photo of a {word}"


def main() -> None:
    """Print the table, and write it as JSON into the work folder."""
    parser = argparse.ArgumentParser(prog="python -m tinv_tui.models.bundled.build.score", description=__doc__)
    parser.add_argument("--model", type=Path, default=bundled.FOLDER)
    parser.add_argument("--work", type=Path, default=Path("build-bundled"))
    parser.add_argument("--pictures", type=int, default=256, help="for the base model")
    parser.add_argument("--concepts", nargs="*", default=list(CONCEPTS), choices=list(CONCEPTS))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--vectors", type=int, nargs="+", default=[1])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    painter = Painter(arguments.model)
    classifier = get_classifier(arguments.work / "classifier.pt", painter.pipe.vae, print)
    table: dict[str, dict[str, float]] = {
        "classifier on drawn pictures": accuracy_on_drawn(classifier, None),
        "classifier through the VAE": accuracy_on_drawn(classifier, painter.pipe.vae),
    }
    for line, row in table.items():
        _show(line, row)
    if arguments.pictures:
        table["base model"] = score_base(painter, classifier, arguments.pictures)
        _show("base model", table["base model"])
    for name in arguments.concepts:
        table[name] = score_concept(
            name,
            painter,
            classifier,
            arguments.work,
            steps=arguments.steps,
            vectors=arguments.vectors,
            seeds=arguments.seeds,
        )
        _show(name, table[name])
    (arguments.work / "scores.json").write_text(json.dumps(table, indent=1))


def _show(name: str, row: dict[str, float]) -> None:
    print(f"{name}: " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
