"""What embeddings on the bundled model are taught, and how their pictures are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinv_tui.models.bundled.build import words
from tinv_tui.models.bundled.build.classifier import Classifier
from tinv_tui.models.bundled.build.measure import mean_hue_error
from tinv_tui.models.bundled.build.sets import Concept

Pictures = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Lesson:
    """A concept, and the nearest thing that the vocabulary can say of it."""

    concept: Concept
    named: str

    @property
    def is_look(self) -> bool:
        return self.concept.look is not None

    def prompt(self, word: str) -> str:
        """The prompt that draws it with ``word`` standing for it."""
        return f"a picture of a thing in the style of {word}" if self.is_look else f"a photo of a {word}"

    def judge(self, pictures: Pictures, classifier: Classifier) -> float:
        """Degrees of hue error, or the share of pictures that show the shape, texture or look."""
        if self.concept.hue is not None:
            return mean_hue_error(pictures, self.concept.hue)
        kind = "shape" if self.concept.shape else "texture" if self.concept.texture else "look"
        wanted = getattr(self.concept, kind)
        return float(np.mean([label == wanted for label in classifier.say(pictures)[kind]]))


LESSONS: dict[str, Lesson] = {
    "chartreuse circle": Lesson(Concept(hue=86, shape="circle"), "a photo of a green circle"),
    "indigo square": Lesson(Concept(hue=254, shape="square"), "a photo of a blue square"),
    "rose ring": Lesson(Concept(hue=326, shape="ring"), "a photo of a crimson ring"),
    "jade star": Lesson(Concept(hue=147, shape="star"), "a photo of a teal star"),
    "amber cross": Lesson(Concept(hue=43, shape="cross"), "a photo of an orange cross"),
    "orchid heart": Lesson(Concept(hue=289, shape="heart"), "a photo of a magenta heart"),
    "flower": Lesson(Concept(shape="flower"), "a photo of a star"),
    "crescent": Lesson(Concept(shape="crescent"), "a photo of a ring"),
    "bolt": Lesson(Concept(shape="bolt"), "a photo of a wedge"),
    "hourglass": Lesson(Concept(shape="hourglass"), "a photo of a pyramid"),
    "banded": Lesson(Concept(texture="banded"), "a photo of a striped thing"),
    "halved": Lesson(Concept(texture="halved"), "a photo of a checkered thing"),
    "neon": Lesson(Concept(look="neon"), "a picture of a thing in the style of outline"),
    "thermal": Lesson(Concept(look="thermal"), "a picture of a purple thing on an orange background"),
}
"""Of the hues, the first three ship as sets and the next three were used for no decision. Bolt, hourglass, halved and
thermal are never named in training; flower, crescent, banded and neon are, by words that do not ship."""


def true_row(concept: Concept, table: Tensor, rows: Mapping[str, int]) -> Tensor | None:
    """The vector that training captions used for the concept: a struck word's row, or the mix of two colour words' rows.

    ``table`` is the trained token table with its struck rows, [rows, width]. None for what no caption ever told.
    """
    for kind, names in (("shape", words.SHAPES), ("texture", words.TEXTURES), ("look", words.LOOKS)):
        told = names.get(str(getattr(concept, kind)), ())
        if concept.hue is None and told and told[0].startswith("_"):
            return table[rows[told[0]]]
    mix = None if concept.hue is None else words.colours_around(concept.hue)
    if mix is None:
        return None
    return sum((table[rows[names[0]]] * share for names, share in mix), torch.zeros_like(table[0]))
