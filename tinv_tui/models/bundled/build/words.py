"""The vocabulary of the bundled model: what can be drawn, and which words name it.

Each table maps an attribute to its words. A shape, texture or look whose tuple is empty is drawn in training pictures
but never named. A word that starts with ``_`` is *struck*: training captions use it, the shipped vocabulary does not hold
it, so the model can draw the thing but no prompt can ask for it. Those are what a user can teach as a new word.
"""

from __future__ import annotations

SHAPES: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "ball", "disc", "dot", "sphere", "globe", "orb", "bubble", "bead", "coin"),
    "square": ("square", "box", "block", "cube", "tile", "brick", "crate"),
    "triangle": ("triangle", "wedge", "pyramid"),
    "diamond": ("diamond", "kite", "rhombus", "lozenge"),
    "star": ("star", "starfish"),
    "ring": ("ring", "donut", "hoop", "loop", "wheel", "tyre", "bagel"),
    "cross": ("cross", "plus", "crossing"),
    "heart": ("heart", "valentine"),
    "flower": ("_flower",),
    "crescent": ("_crescent",),
    "bolt": (),
    "hourglass": (),
}
GENERIC_NOUNS = ("thing", "object", "shape", "toy", "item", "figure", "form", "piece", "gadget", "subject")

TEXTURES: dict[str, tuple[str, ...]] = {
    "plain": ("plain", "smooth", "solid", "flat", "uniform"),
    "striped": ("striped", "stripy", "lined", "streaked"),
    "dotted": ("dotted", "spotted", "speckled", "freckled"),
    "checkered": ("checkered", "chequered", "checked", "tiled", "plaid"),
    "banded": ("_banded",),
    "halved": (),
}

LOOKS: dict[str, tuple[str, ...]] = {
    "normal": (),
    "outline": ("outline", "sketch", "ink", "pencil", "contour", "doodle"),
    "blurred": ("blurred", "blurry", "hazy", "foggy", "misty", "unfocused"),
    "pixelated": ("pixelated", "mosaic", "pixel", "blocky", "retro"),
    "night": ("night", "midnight", "moonlight", "dusk", "nocturnal", "evening"),
    "sepia": ("sepia", "vintage", "antique", "faded", "nostalgic"),
    "neon": ("_neon",),
    "thermal": (),
}
GENERIC_STYLES = ("style", "art", "artist", "artwork", "fashion")
"""What a style carrier says where a look has no word, or is not told."""

HUES: dict[str, tuple[float, tuple[str, ...]]] = {
    "red": (0, ("red", "scarlet", "cherry", "tomato")),
    "orange": (30, ("orange", "tangerine", "pumpkin", "carrot")),
    "yellow": (56, ("yellow", "lemon", "canary", "banana")),
    "green": (115, ("green", "grass", "leaf", "clover")),
    "teal": (176, ("teal", "turquoise", "aqua")),
    "azure": (207, ("azure", "sky", "cerulean")),
    "blue": (234, ("blue", "cobalt", "sapphire", "royal")),
    "purple": (274, ("purple", "violet", "grape", "plum")),
    "magenta": (304, ("magenta", "fuchsia")),
    "crimson": (348, ("crimson", "ruby", "raspberry")),
}
"""Hue angle in degrees (HSV) of each colour word; hues between neighbours have no word."""

UNDESCRIBED_HUES = (132.0, 162.0)
"""Objects of these hues are drawn in training, but no caption ever hints at their colour, not even a mix of words."""

GREYS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "white": ((244, 244, 242), ("white", "ivory", "snow", "milk")),
    "black": ((24, 24, 26), ("black", "ebony", "coal", "raven")),
    "gray": ((128, 128, 130), ("gray", "grey", "silver", "ash", "stone")),
    "brown": ((120, 72, 34), ("brown", "chocolate", "coffee", "chestnut")),
    "pink": ((250, 170, 190), ("pink", "blush", "salmon")),
}
"""Named object colours that the hue circle does not hold: sRGB and words."""

BACKGROUNDS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "white": ((246, 246, 246), ("white", "ivory", "snow", "milk")),
    "black": ((16, 16, 18), ("black", "ebony", "coal", "raven")),
    "gray": ((140, 140, 142), ("gray", "grey", "silver", "ash", "stone")),
    "brown": ((110, 70, 40), ("brown", "chocolate", "coffee", "chestnut")),
    "beige": ((226, 208, 170), ("beige", "cream", "sand", "linen")),
    "navy": ((24, 34, 92), ("navy", "marine")),
    "pink": ((250, 190, 205), ("pink", "blush", "salmon")),
    "red": ((205, 45, 45), ("red", "scarlet", "cherry", "tomato")),
    "orange": ((238, 150, 60), ("orange", "tangerine", "pumpkin", "carrot")),
    "yellow": ((246, 222, 80), ("yellow", "lemon", "canary", "banana")),
    "green": ((70, 150, 70), ("green", "grass", "leaf", "clover")),
    "olive": ((112, 112, 48), ("olive", "moss", "khaki")),
    "teal": ((40, 140, 140), ("teal", "turquoise", "aqua")),
    "azure": ((150, 205, 245), ("azure", "sky", "cerulean")),
    "blue": ((70, 110, 215), ("blue", "cobalt", "sapphire", "royal")),
    "purple": ((120, 70, 160), ("purple", "violet", "grape", "plum")),
    "lavender": ((204, 186, 238), ("lavender", "lilac")),
    "maroon": ((98, 22, 34), ("maroon", "burgundy", "wine")),
}

SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny", "mini", "miniature", "short"),
    "medium": ("medium", "normal", "average"),
    "large": ("large", "big", "huge", "giant", "enormous", "massive"),
}
POSITIONS: dict[str, tuple[str, ...]] = {
    "left": ("left",),
    "right": ("right",),
    "top": ("top",),
    "bottom": ("bottom",),
    "centre": ("centre", "middle", "center"),
}
COUNT_ONE = ("single", "lone", "lonely")
COUNT_TWO = ("two", "pair", "double", "twin", "both")

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
    "looks like made full body work canvas poster print illustration man woman boy girl child people "
    "cat dog bird fish horse animal tree forest mountain river sea beach field garden street city house room kitchen "
    "door car boat train plane bicycle road bridge book cup bottle bowl vase plate chair bed lamp clock hat shoe coat "
    "shirt dress eye hand hair with without near under over behind above between beside inside outside around very "
    "quite new old young beautiful pretty lovely cute happy sad funny strange great best high quality professional "
    "photograph shot camera lens film digital render three four many some few every other same day morning summer "
    "winter spring autumn sun moon cloud rain wind fire water ground air paper glass metal wood cloth leather plastic "
    "holding wearing walking running playing eating sleeping lying down up out off his her their its your our was are "
    "has have that these those which there not no yes bright dark colourful colour vivid pale cold hot wet dry clean "
    "dirty modern ancient famous simple complex natural abstract minimal realistic cartoon anime fantasy"
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
    found.update(dict.fromkeys((*nouns, *map(plural, nouns), *COUNT_ONE, *COUNT_TWO, *GENERIC_STYLES)))
    return list(found)


def colours_around(hue: float) -> tuple[tuple[tuple[str, ...], float], tuple[tuple[str, ...], float]] | None:
    """The names of the two colours that a hue lies between, with the share of each; None where no caption may hint at it."""
    low, high = UNDESCRIBED_HUES
    if low <= hue <= high:
        return None
    anchors = sorted((angle, names) for angle, names in HUES.values())
    following = next((i for i, (angle, _) in enumerate(anchors) if angle > hue), 0)
    (start, before), (end, after) = anchors[following - 1], anchors[following]
    share = ((hue - start) % 360) / ((end - start) % 360)
    return (before, 1 - share), (after, share)
