"""Writes the caption of a scene as *slots*: token positions that each hold a weighted mix of vocabulary rows.

Mixing does two jobs. A hue between two colour words is described by a mix of both rows, so every hue has a place in the
embedding space although few have a name. And a whole phrase may be folded into one slot as the sum of its words, which
teaches the text encoder to read colour, texture and shape out of a single vector, as a learned embedding needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tinv_tui.models.bundled.build import words
from tinv_tui.models.bundled.build.drawing import Scene

Slot = tuple[tuple[int, float], ...]
"""(vocabulary row, weight) pairs that are added up at one token position."""

MAX_ROWS_PER_SLOT = 6


@dataclass(frozen=True)
class CaptionOdds:
    """How often an attribute is told; the rest of the time the caption leaves it out."""

    empty: float = 0.1
    noun: float = 0.8
    colour: float = 0.8
    colour_under_look: float = 0.45
    mix: float = 0.7
    texture: float = 0.85
    plain_texture: float = 0.3
    one: float = 0.04
    size: float = 0.5
    medium: float = 0.08
    position: float = 0.6
    centre: float = 0.06
    background: float = 0.55
    look: float = 0.88
    one_slot: float = 0.35
    stray_words: float = 0.15
    stray_letters: float = 0.08


class CaptionWriter:
    """Turns scenes into slots for one vocabulary (``word -> row``, struck words included)."""

    def __init__(self, rows: Mapping[str, int], odds: CaptionOdds | None = None) -> None:
        self._rows = rows
        self._odds = odds or CaptionOdds()
        self._letters = [row for word, row in rows.items() if len(word) == 1 and word.isalpha() and word != "a"]

    def write(self, scene: Scene, rng: np.random.Generator) -> list[Slot]:
        """A caption of the scene, without begin and end tokens; empty for the unconditional part of the training."""
        odds = self._odds
        if rng.random() < odds.empty:
            return []
        phrase = self._phrase(scene, rng)
        if scene.look != "normal":
            slots = self._styled(scene, phrase, rng)
        else:
            slots = self._carried(str(rng.choice(words.CARRIERS)), phrase)
        slots += self._place(scene, rng)
        if rng.random() < odds.stray_words:
            stray = [self._word(str(w)) for w in rng.choice(words.OTHER_WORDS, rng.integers(1, 4))]
            slots = stray + slots if rng.random() < 0.3 else slots + stray
        if rng.random() < odds.stray_letters:
            letters: list[Slot] = [((int(r), 1.0),) for r in rng.choice(self._letters, rng.integers(1, 5))]
            slots = letters + slots if rng.random() < 0.5 else slots + letters
        return slots[:75]

    def _word(self, word: str) -> Slot:
        return ((self._rows[word], 1.0),)

    def _pick(self, choices: tuple[str, ...], rng: np.random.Generator) -> str:
        """The first word is the common one; synonyms share the rest."""
        if len(choices) == 1 or rng.random() < 0.55:
            return choices[0]
        return str(rng.choice(choices[1:]))

    def _phrase(self, scene: Scene, rng: np.random.Generator) -> list[Slot]:
        """Size, colour, texture and noun, each of which may be left out but the noun."""
        odds, slots = self._odds, list[Slot]()
        if rng.random() < (odds.medium if scene.size == "medium" else odds.size):
            slots.append(self._word(self._pick(words.SIZES[scene.size], rng)))
        if rng.random() < (odds.colour if scene.look == "normal" else odds.colour_under_look):
            slots += self._colour(scene, rng)
        told = odds.plain_texture if scene.texture == "plain" else odds.texture
        if words.TEXTURES[scene.texture] and rng.random() < told:
            slots.append(self._word(self._pick(words.TEXTURES[scene.texture], rng)))
        named = bool(words.SHAPES[scene.shape]) and rng.random() < odds.noun
        noun = self._pick(words.SHAPES[scene.shape], rng) if named else str(rng.choice(words.GENERIC_NOUNS))
        if scene.count == 2:
            return [self._word(self._pick(words.COUNT_TWO, rng)), *slots, self._word(words.plural(noun))]
        slots.append(self._word(noun))
        if rng.random() < odds.one:
            slots.insert(0, self._word(self._pick(words.COUNT_ONE, rng)))
        if rng.random() < odds.one_slot:
            together = tuple(row for slot in slots for row in slot)
            if len(together) <= MAX_ROWS_PER_SLOT:
                return [together]
        return slots

    def _colour(self, scene: Scene, rng: np.random.Generator) -> list[Slot]:
        if scene.grey is not None:
            return [self._word(self._pick(words.GREYS[scene.grey][1], rng))]
        assert scene.hue is not None
        for angle, names in words.HUES.values():
            if abs((scene.hue - angle + 180) % 360 - 180) <= 6:
                return [self._word(self._pick(names, rng))]
        mix = words.colours_around(scene.hue)
        if mix is None or rng.random() > self._odds.mix:
            return []
        return [tuple((self._rows[self._pick(names, rng)], share) for names, share in mix)]

    def _carried(self, carrier: str, phrase: list[Slot]) -> list[Slot]:
        return [s for part in carrier.split() for s in (phrase if part == "{}" else [self._word(part)])]

    def _styled(self, scene: Scene, phrase: list[Slot], rng: np.random.Generator) -> list[Slot]:
        told = bool(words.LOOKS[scene.look]) and rng.random() < self._odds.look
        look = self._word(self._pick(words.LOOKS[scene.look] if told else words.GENERIC_STYLES, rng))
        slots = list[Slot]()
        for part in str(rng.choice(words.STYLE_CARRIERS)).split():
            if part == "{look}":
                slots.append(look)
            elif part == "{object}":
                slots += [self._word("a"), *phrase]
            else:
                slots.append(self._word(part))
        return slots

    def _place(self, scene: Scene, rng: np.random.Generator) -> list[Slot]:
        """Position and background, each told or not."""
        odds, text = self._odds, ""
        if rng.random() < (odds.centre if scene.position == "centre" else odds.position):
            text += f" {'in' if scene.position == 'centre' else 'on'} the {self._pick(words.POSITIONS[scene.position], rng)}"
        hidden = scene.look in ("outline", "neon", "thermal")
        if not hidden and rng.random() < odds.background:
            colour = self._pick(words.BACKGROUNDS[scene.background][1], rng)
            form = str(rng.choice([" on a {} background", " against a {} background", " , {} background"]))
            text += form.format(colour)
        return [self._word(word) for word in text.split()]
