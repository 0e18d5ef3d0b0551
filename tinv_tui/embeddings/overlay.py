"""What is written on a card: a darkened picture, the embedding's name above, where it came from below (a1111 §6.5)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LEAST_SIDE = 256
"""Smaller pictures are enlarged by a whole factor, or nobody could read what is written on them."""

_MARGIN = 10
_LARGEST_TEXT = 72
_WHITE = (255, 255, 255, 230)


def with_caption(image: Image.Image, title: str, footers: tuple[str, str, str]) -> Image.Image:
    """The picture with ``title`` above and three footers (left, middle, right) below; empty ones are left out."""
    picture = darkened(_legible(image.convert("RGB")))
    words = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(words)
    width, height = picture.size
    title_size = _fitting(title, 32, 0.75 * width - 40)
    draw.text((_MARGIN, _MARGIN), title, _WHITE, _font(title_size))
    size = min([_fitting(text, title_size, width / 3 - _MARGIN) for text in footers if text], default=title_size)
    places = ((_MARGIN, "ls"), (width / 2, "ms"), (width - _MARGIN, "rs"))
    for text, (x, anchor) in zip(footers, places, strict=True):
        draw.text((x, height - _MARGIN), text, _WHITE, _font(size), anchor=anchor)
    return Image.alpha_composite(picture.convert("RGBA"), words).convert("RGB")


def darkened(picture: Image.Image) -> Image.Image:
    """The picture under black that is thickest at its top and bottom."""
    height = picture.height
    at = np.arange(height) / height
    black = np.clip((255 * np.maximum(1 - np.cos(1.5 * at), 1 - np.cos(1.65 * (1 - at)))).astype(int), 0, 255)
    left = (255 - black)[:, None, None] / 255
    return Image.fromarray((np.asarray(picture) * left).round().astype(np.uint8))


def _legible(picture: Image.Image) -> Image.Image:
    factor = -(-LEAST_SIDE // min(picture.size))
    if factor == 1:
        return picture
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _fitting(text: str, size: int, room: float) -> int:
    """The size at which the text, measured at ``size``, takes ``room`` pixels; whole, and not above 72."""
    taken = _font(size).getlength(text) or 1.0
    return max(1, min(int(size * room / taken), _LARGEST_TEXT))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that ships with Pillow."""
    return ImageFont.load_default(size)
