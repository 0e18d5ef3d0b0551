"""Preprocess images: what becomes of a folder of pictures (a1111.md §3).

The plan reads headers alone, so it is made in no time and is what a dry run shows. The pictures are numbered in the order
of their names, those that are skipped too: a dry run, a second run, and one with a picture less broken, agree.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import ImageColor

from tinv_tui.datasets.captioner_models import BLIP, TAGGERS, TAGS, Presence, default_captioner, presence
from tinv_tui.datasets.focal import require_opencv
from tinv_tui.datasets.geometry import Size, auto_size, focal_scale, split, split_ratio
from tinv_tui.datasets.picture_files import EXTENSIONS, MOST_PIXELS
from tinv_tui.datasets.pictures import PictureEntry, list_pictures
from tinv_tui.errors import InputError
from tinv_tui.printable import many
from tinv_tui.sections import PreprocessSection

FOCAL_FOLDER = "focal-point"
"""The subfolder of the destination for the drawings of what the focal point crop saw."""

Way = Literal["tiles", "focal", "auto", "whole", "fill"]
CaptionAction = Literal["ignore", "copy", "prepend", "append"]

_LONGEST_STEM_BYTES = 200
"""File names end at 255 bytes, and ours add a number and, while they are written, a suffix."""


@dataclass(frozen=True)
class PicturePlan:
    """What is written for one source picture. Files are named without their extension, mirror images after each."""

    source: Path
    size: Size
    """Upright, in pixels."""
    ways: tuple[Way, ...]
    names: tuple[str, ...]
    caption: str
    """The existing caption; empty when there is none or it is not looked at."""


@dataclass(frozen=True)
class Skipped:
    file: Path
    reason: str


@dataclass(frozen=True)
class PreprocessPlan:
    """What a preprocessing section comes to."""

    destination: Path
    pictures: tuple[PicturePlan, ...]
    skipped: tuple[Skipped, ...]
    captioners: tuple[Presence, ...]
    """Those that will caption, in order; each is present."""
    caption_action: CaptionAction
    replaced: int
    """Files in the destination that will be replaced."""

    @property
    def names(self) -> list[str]:
        """Of all pictures that will be written."""
        return [name for picture in self.pictures for name in picture.names]

    def has_caption(self, picture: PicturePlan) -> bool:
        """Whether a caption will be written beside what is made of a picture; a captioner may still find no words."""
        return bool(picture.caption or self.captioners)


def plan_preprocess(section: PreprocessSection, base_model: str = "") -> PreprocessPlan:
    """Check everything that can be known before a pixel is read. Paths are absolute. Raises InputError.

    ``base_model`` is the model that will be trained on; its name helps to choose the captioner.
    """
    source, destination = check_folders(section)
    _check_values(section)
    captioners = choose_captioners(section, base_model)
    action = caption_action(section, captioners)
    pictures, skipped = list[PicturePlan](), _not_pictures(source)
    for index, entry in enumerate(list_pictures(source)):
        planned = _plan_picture(index, entry, section)
        if isinstance(planned, Skipped):
            skipped.append(planned)
        else:
            pictures.append(planned if action != "ignore" else replace(planned, caption=""))
    if not pictures:
        told = f"; {skipped[0].file.name}: {skipped[0].reason}" if skipped else ""
        raise InputError(
            "preprocess-empty", f"preprocess.source: {source} holds no picture that can be used{told}",
            "Put pictures there, or give another folder.",
        )  # fmt: skip
    plan = PreprocessPlan(
        destination, tuple(pictures), tuple(sorted(skipped, key=lambda s: s.file.name)), captioners, action, 0
    )
    return replace(plan, replaced=sum((destination / f"{name}.png").exists() for name in plan.names))


def check_folders(section: PreprocessSection) -> tuple[Path, Path]:
    """Source and destination, if they can be used together. Raises InputError."""
    for key in ("source", "destination"):
        if not getattr(section, key).strip():
            raise InputError("recipe-missing", f"preprocess.{key} is required", "Give the path of a folder.")
    source, destination = Path(section.source), Path(section.destination)
    if not source.is_dir():
        what = "is a file, not a folder" if source.exists() else "does not exist"
        raise InputError("preprocess-source", f"preprocess.source: {source} {what}", "Give the folder of pictures.")
    real_source, real_destination = source.resolve(), destination.resolve()
    if real_source == real_destination:
        raise InputError(
            "preprocess-same", f"source and destination are the same folder: {source}", "Give another destination."
        )
    if real_source in real_destination.parents or real_destination in real_source.parents:
        inner = destination if real_source in real_destination.parents else source
        raise InputError(
            "preprocess-nested",
            f"source and destination lie one inside the other: {inner}",
            "Give a destination beside the source.",
        )
    if destination.exists() and not destination.is_dir():
        raise InputError(
            "preprocess-destination", f"preprocess.destination: {destination} is a file", "Give the path of a folder."
        )
    return source, destination


def occupants(destination: Path) -> int:
    """How many files and folders a destination holds already, hidden ones aside. Raises InputError."""
    try:
        return sum(not entry.name.startswith(".") for entry in destination.iterdir()) if destination.is_dir() else 0
    except OSError as error:
        raise InputError(
            "preprocess-destination", f"preprocess.destination: {error}", "Check the folder's permissions."
        ) from None


def require_confirmed(section: PreprocessSection, plan: PreprocessPlan) -> None:
    """Raise InputError when the destination holds something and nobody said that this is known."""
    count = occupants(plan.destination)
    if count and not section.into_existing:
        replaced = f"; {said}" if (said := in_the_way(plan)) else ""
        raise InputError(
            "preprocess-not-empty",
            f"preprocess.destination: {plan.destination} holds {many(count, 'file')}{replaced}",
            "Give another folder, or --into-existing to write there all the same.",
        )


def in_the_way(plan: PreprocessPlan) -> str:
    """What becomes of the pictures that the destination holds, in words; "" where it holds none."""
    there = sum(path.suffix.lower() in EXTENSIONS for path in plan.destination.iterdir())
    stay = there - plan.replaced
    said = [f"{many(plan.replaced, 'picture')} would be replaced, captions too"] if plan.replaced else []
    said += [f"{many(stay, 'other picture')} would stay in the dataset"] if stay > 0 else []
    return "; ".join(said)


def choose_captioners(section: PreprocessSection, base_model: str = "") -> tuple[Presence, ...]:
    """The captioners that a section asks for, in order. Raises InputError when one that was named is missing."""
    wanted: list[Presence] = []
    if section.blip == "on":
        wanted.append(presence(BLIP, section.blip_model))
    if section.tagger:
        wanted.append(presence(section.tagger if section.tagger in TAGGERS else TAGS, section.tagger))
    for found in wanted:
        if found.folder is None:
            hint = f"Get it with: {found.command}" if found.command else "Give another folder, or a hub id."
            raise InputError("captioner-missing", found.missing, hint)
    if not wanted and section.blip == "auto":
        found = default_captioner(base_model, section.blip_model)
        wanted = [found] if found.folder is not None else []
    return tuple(wanted)


def caption_action(section: PreprocessSection, captioners: tuple[Presence, ...]) -> CaptionAction:
    """What "auto" comes to: without a captioner, captions that exist are carried along."""
    if section.caption_action == "auto":
        return "ignore" if captioners else "copy"
    return section.caption_action


def auto_size_of(size: Size, section: PreprocessSection) -> Size | None:
    """The size of a picture's auto-sized crop, None when none fits."""
    return auto_size(
        size,
        (section.auto_crop_min_side, section.auto_crop_max_side),
        (section.auto_crop_min_area, section.auto_crop_max_area),
        section.auto_crop_objective,
        section.auto_crop_threshold,
    )


def _check_values(section: PreprocessSection) -> None:
    if section.focal_crop:
        require_opencv()
        if section.face_model and not Path(section.face_model).is_file():
            raise InputError(
                "face-model", f"preprocess.face_model: there is no file {section.face_model}", "Give a YuNet ONNX file."
            )
    for what in ("side", "area"):
        low, high = (getattr(section, f"auto_crop_{end}_{what}") for end in ("min", "max"))
        if low > high:
            raise InputError(
                "preprocess-bounds",
                f"preprocess.auto_crop_min_{what} = {low} is more than auto_crop_max_{what} = {high}",
                "Swap them, or give other bounds.",
            )
    if section.blip_min_length > section.blip_max_length:
        raise InputError(
            "preprocess-bounds",
            f"preprocess.blip_min_length = {section.blip_min_length} is more than "
            f"blip_max_length = {section.blip_max_length}",
            "Swap them, or give other lengths.",
        )
    try:
        ImageColor.getrgb(section.background)
    except ValueError:
        raise InputError(
            "preprocess-background", f"preprocess.background = {section.background!r} is no colour",
            "Give a name, such as white, or #rrggbb.",
        ) from None  # fmt: skip


def _not_pictures(source: Path) -> list[Skipped]:
    """Files that are neither pictures by their name nor captions."""
    others = [
        path
        for path in source.iterdir()
        if path.suffix.lower() not in {*EXTENSIONS, ".txt"} and not path.name.startswith(".") and path.is_file()
    ]
    return [Skipped(path, "no picture by its name") for path in others]


def _plan_picture(index: int, entry: PictureEntry, section: PreprocessSection) -> PicturePlan | Skipped:
    if entry.problem is not None:
        return Skipped(entry.path, entry.problem)
    size, target = (entry.width, entry.height), (section.width, section.height)
    ways: list[Way] = []
    scaled: list[Size] = []
    tiles = 0
    if section.split and split_ratio(size, target) < 1 and split_ratio(size, target) <= section.split_threshold:
        ways.append("tiles")
        whole = split(size, target, section.split_overlap)
        tiles = len(whole.starts)
        scaled.append(whole.scaled)
    if section.focal_crop and size[0] != size[1]:
        ways.append("focal")
        scaled.append(focal_scale(size, target))
    if scaled and math.prod(large := max(scaled, key=math.prod)) > MOST_PIXELS:
        return Skipped(entry.path, f"too thin: to be cut it would be enlarged to {large[0]} x {large[1]}")
    if section.auto_crop and auto_size_of(size, section) is not None:
        ways.append("auto")
    if section.keep_size:
        ways.append("whole")
    if not ways and section.auto_crop:
        return Skipped(entry.path, f"no auto-sized crop fits {size[0]} x {size[1]}")
    ways = ways or ["fill"]
    count = sum(tiles if way == "tiles" else 1 for way in ways) * (2 if section.flip else 1)
    stem = _short_stem(entry.path)
    names = tuple(f"{index:05}-{sub}-{stem}" for sub in range(count))
    return PicturePlan(entry.path, size, tuple(ways), names, entry.caption or "")


def _short_stem(path: Path) -> str:
    """The source's name without its extension, cut where a file system would refuse it, and without line breaks."""
    stem = re.sub(r"[\x00-\x1f]", "", path.stem).encode(errors="surrogateescape")
    return stem[:_LONGEST_STEM_BYTES].decode(errors="surrogateescape" if len(stem) <= _LONGEST_STEM_BYTES else "ignore")
