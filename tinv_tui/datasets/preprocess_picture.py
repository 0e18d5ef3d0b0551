"""Preprocess images: making what is planned of one picture (a1111.md §3)."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

from PIL import Image

from tinv_tui.datasets.decoding import open_flat
from tinv_tui.datasets.focal import draw_focus, find_focus
from tinv_tui.datasets.geometry import Size, decode_reduction, fill, focal_scale, middle_box, split
from tinv_tui.datasets.mirrored import mirror_words
from tinv_tui.datasets.preprocess import CaptionAction, PicturePlan, Way, auto_size_of
from tinv_tui.sections import PreprocessSection

_PNG_LEVEL = 2
"""Against Pillow's own 6, a photo takes a quarter of the time and some 15 % more room."""

_MOST_SCALED = 2**25
"""Pixels, 128 MiB, up to which all of a picture is scaled, as A1111 does: to scale a part alone differs by a grey level."""


@dataclass(frozen=True)
class MadePicture:
    """A finished picture: PNG bytes, and those of the drawing of its focal point if one was asked for."""

    name: str
    png: bytes
    is_mirror: bool
    drawing: bytes | None = None


def join_captions(action: CaptionAction, existing: str, made: str) -> str:
    """The caption to write (a1111.md §3.3); empty for none."""
    match action:
        case "copy":
            return (existing or made).strip()
        case "prepend":
            return f"{existing} {made}".strip()
        case "append":
            return f"{made} {existing}".strip()
    return made.strip()


def make_pictures(plan: PicturePlan, section: PreprocessSection) -> list[MadePicture]:
    """Open one source picture and make all that is planned of it. Raises OSError when it cannot be decoded."""
    made: list[MadePicture] = []
    names = iter(plan.names)
    picture = open_flat(plan.source, section.background, _reduction(plan, section))
    for way in plan.ways:
        for image, drawing in _make(way, picture, plan.size, section):
            shown = _png(drawing) if drawing is not None else None
            made.append(MadePicture(next(names), _png(image), False, shown))
            if section.flip:
                mirror = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                made.append(MadePicture(next(names), _png(mirror), True))
    return made


def caption_of(made: MadePicture, caption: str) -> str:
    """A caption of what was made, or of what it is the mirror image of, as words for this picture."""
    return mirror_words(caption) if made.is_mirror else caption


def _make(
    way: Way, picture: Image.Image, size: Size, section: PreprocessSection
) -> list[tuple[Image.Image, Image.Image | None]]:
    target = section.width, section.height
    match way:
        case "tiles":
            tiles = split(size, target, section.split_overlap)
            scaled = picture.resize(tiles.scaled, Image.Resampling.BICUBIC)
            return [(scaled.crop(box), None) for box in tiles.boxes(target)]
        case "focal":
            scaled = picture.resize(focal_scale(size, target), Image.Resampling.BICUBIC)
            focus = find_focus(scaled, target, section)
            return [(scaled.crop(focus.crop), draw_focus(scaled, focus) if section.debug_image else None)]
        case "auto":
            chosen = auto_size_of(size, section)
            assert chosen is not None, "the plan leaves such pictures out"
            part = picture.width / size[0]
            left, top, right, bottom = (edge * part for edge in middle_box(size, chosen))
            return [(picture.resize(chosen, Image.Resampling.LANCZOS, (left, top, right, bottom)), None)]
        case "whole":
            return [(picture, None)]
        case "fill":
            return [(_filled(picture, size, target), None)]


def _filled(picture: Image.Image, size: Size, target: Size) -> Image.Image:
    """Scaled to cover the target and cut to it. Of a thin picture, which would become immense, only the middle is scaled."""
    filled = fill(size, target)
    box = filled.box(target)
    if math.prod(filled.scaled) <= _MOST_SCALED:
        return picture.resize(filled.scaled, Image.Resampling.LANCZOS).crop(box)
    across, down = picture.width / filled.scaled[0], picture.height / filled.scaled[1]
    middle = box[0] * across, box[1] * down, box[2] * across, box[3] * down
    return picture.resize(target, Image.Resampling.LANCZOS, middle)


def _reduction(plan: PicturePlan, section: PreprocessSection) -> int:
    """How much smaller a picture may be decoded for everything that is made of it."""
    target = section.width, section.height
    parts = []
    for way in plan.ways:
        match way:
            case "tiles":
                scaled = split(plan.size, target, section.split_overlap).scaled
            case "focal":
                scaled = focal_scale(plan.size, target)
            case "auto":
                chosen = auto_size_of(plan.size, section) or plan.size
                scaled = fill(plan.size, chosen).scaled
            case "whole":
                scaled = plan.size
            case "fill":
                scaled = fill(plan.size, target).scaled
        parts.append(decode_reduction(plan.size, scaled))
    return min(parts)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    profile = image.info.get("icc_profile") or b""
    fits = profile[16:20] == b"RGB "  # the profile of what was CMYK or grey says nothing about the colours it has now
    image.save(buffer, "PNG", compress_level=_PNG_LEVEL, icc_profile=profile if fits else None)
    return buffer.getvalue()
