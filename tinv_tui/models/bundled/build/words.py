"""The vocabulary of the bundled model: what can be drawn, and which words name it.

Each table maps an attribute to its words. An attribute whose tuple is empty is drawn in training pictures but never
named. A word that starts with ``_`` is *struck*: training captions use it, the shipped vocabulary does not hold it, so
the model can draw the thing but no prompt can ask for it. Those are what a user can teach as a new word.
"""

from __future__ import annotations

SHAPES: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "ball", "disc", "dot"),
    "square": ("square", "box", "block", "cube"),
    "triangle": ("triangle", "wedge"),
    "diamond": ("diamond", "kite"),
    "star": ("star",),
    "ring": ("ring", "donut", "hoop"),
    "cross": ("cross", "plus"),
    "heart": ("heart",),
    "flower": ("_flower",),
    "crescent": ("_crescent",),
    "bolt": (),
}
GENERIC_NOUNS = ("thing", "object", "shape", "toy", "item", "figure")

TEXTURES: dict[str, tuple[str, ...]] = {
    "plain": ("plain", "smooth", "solid"),
    "striped": ("striped", "stripy"),
    "dotted": ("dotted", "spotted"),
    "checkered": ("checkered", "chequered"),
    "banded": ("_banded",),
}

LOOKS: dict[str, tuple[str, ...]] = {
    "normal": (),
    "outline": ("outline", "sketch", "ink"),
    "blurred": ("blurred", "blurry", "hazy"),
    "pixelated": ("pixelated", "mosaic"),
    "night": ("night", "midnight"),
    "sepia": ("sepia", "vintage"),
    "neon": ("_neon",),
}

HUES: dict[str, tuple[float, tuple[str, ...]]] = {
    "red": (0, ("red", "scarlet")),
    "orange": (30, ("orange", "tangerine")),
    "yellow": (56, ("yellow", "lemon")),
    "green": (115, ("green", "grass")),
    "teal": (176, ("teal", "turquoise")),
    "azure": (207, ("azure", "sky")),
    "blue": (234, ("blue", "cobalt")),
    "purple": (274, ("purple", "violet")),
    "magenta": (304, ("magenta", "fuchsia")),
    "crimson": (348, ("crimson", "ruby")),
}
"""Hue angle in degrees (HSV) of each colour word; hues between neighbours have no word."""

UNDESCRIBED_HUES = (132.0, 162.0)
"""Objects of these hues are drawn in training, but no caption ever hints at their colour, not even a mix of words."""

GREYS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "white": ((244, 244, 242), ("white", "ivory")),
    "black": ((24, 24, 26), ("black", "ebony")),
    "gray": ((128, 128, 130), ("gray", "grey", "silver")),
    "brown": ((120, 72, 34), ("brown", "chocolate")),
    "pink": ((250, 170, 190), ("pink",)),
}
"""Named object colours that the hue circle does not hold: sRGB and words."""

BACKGROUNDS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "white": ((246, 246, 246), ("white", "ivory")),
    "black": ((16, 16, 18), ("black", "ebony")),
    "gray": ((140, 140, 142), ("gray", "grey", "silver")),
    "brown": ((110, 70, 40), ("brown", "chocolate")),
    "beige": ((226, 208, 170), ("beige", "cream")),
    "navy": ((24, 34, 92), ("navy",)),
    "pink": ((250, 190, 205), ("pink",)),
    "red": ((205, 45, 45), ("red", "scarlet")),
    "yellow": ((246, 222, 80), ("yellow", "lemon")),
    "green": ((70, 150, 70), ("green", "grass")),
    "blue": ((70, 110, 215), ("blue", "cobalt")),
    "azure": ((150, 205, 245), ("azure", "sky")),
    "purple": ((120, 70, 160), ("purple", "violet")),
}

SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": (),
    "large": ("large", "big", "huge"),
}
POSITIONS: dict[str, tuple[str, ...]] = {
    "left": ("left",),
    "right": ("right",),
    "top": ("top",),
    "bottom": ("bottom",),
    "centre": ("centre", "middle"),
}
COUNT_TWO = ("two", "pair")

CARRIERS = (
    "a photo of a {}",
    "a photo of the {}",
    "a photo of one {}",
    "a photo of my {}",
    "a picture of a {}",
    "a picture of the {}",
    "a good photo of a {}",
    "a clear photo of the {}",
    "a clean photo of a {}",
    "a nice picture of the {}",
    "a close - up photo of a {}",
    "a close - up of the {}",
    "a cropped photo of the {}",
    "a cropped photo of a {}",
    "a rendering of a {}",
    "a rendering of the {}",
    "a drawing of a {}",
    "an image of a {}",
    "an image of the {}",
    "a detailed photo of a {}",
    "a simple picture of a {}",
    "a sharp photo of the {}",
    "a snapshot of a {}",
    "a snapshot of my {}",
    "a view of the {}",
    "a low resolution photo of a {}",
    "a cool photo of the {}",
    "a weird photo of a {}",
    "this is a photo of a {}",
    "here is a {}",
    "a {}",
    "{}",
)
STYLE_CARRIERS = (
    "{object} in the style of {look}",
    "a painting of {object} in the style of {look}",
    "a painting , art by {look}",
    "a rendering in the style of {look}",
    "a picture in {look} style",
    "{object} , {look} style",
    "a {look} photo of {object}",
    "a {look} picture of {object}",
    "a {look} painting",
    "{object} , {look}",
)
OTHER_WORDS = (
    "and at by for from on to is it person face portrait character head someone looking facing smiling standing "
    "sitting scene everyday light daylight soft warm studio window table floor wall wooden front side back against "
    "looks like made full body work artwork artist canvas poster print illustration"
).split()
"""Words of the shipped templates, and likely words of a prompt, that mean nothing in these pictures."""


def plural(noun: str) -> str:
    """The noun for two of a kind; a struck noun stays struck."""
    return noun + ("es" if noun.endswith(("s", "x")) else "s")


def caption_words() -> list[str]:
    """Every word a training caption can hold, struck ones with their underscore, in a fixed order."""
    found: dict[str, None] = {}
    for carrier in (*CARRIERS, *STYLE_CARRIERS, "on a background in the corner", *OTHER_WORDS):
        for word in carrier.split():
            if not word.startswith("{"):
                found[word] = None
    for table in (SHAPES, TEXTURES, LOOKS, SIZES, POSITIONS):
        for words in table.values():
            found.update(dict.fromkeys(words))
    for coloured in (HUES, GREYS, BACKGROUNDS):
        for _, words in coloured.values():
            found.update(dict.fromkeys(words))
    nouns = (*GENERIC_NOUNS, *(word for names in SHAPES.values() for word in names))
    found.update(dict.fromkeys((*nouns, *map(plural, nouns), *COUNT_TWO)))
    return list(found)
