"""What is wrong with a dataset: first what its headers and captions tell, then, slower, what its pixels do."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinv_tui.datasets.buckets import SizeMode, training_size
from tinv_tui.datasets.closer_look import CloserLook, Traits
from tinv_tui.datasets.findings import Finding
from tinv_tui.datasets.pictures import PictureEntry
from tinv_tui.datasets.templates import FILEWORDS, NAME, fill_template
from tinv_tui.models.tokenizer import CHUNK, PromptTokenizer

FEW_PICTURES = 5
_SOFT_SHARE, _ENLARGED_SHARE = 0.6, 0.8
"""A picture whose detail is less than this share of the pixels it is trained at is soft; the second holds where its pixels
show that it was enlarged."""
_POOR_QUALITY = 50
_PIECES = re.compile(r"[^\W\d_]+|\d|[^\s\w]+")


@dataclass(frozen=True)
class CheckSettings:
    """What the pictures are checked for. ``tokenizer`` None: the base model is not known, tokens are only estimated."""

    width: int
    height: int
    sizes: SizeMode = "bucket"
    grid: int = 64
    template: tuple[str, ...] = (f"{NAME}, {FILEWORDS}",)
    name: str = ""
    vectors: int = 1
    tokenizer: PromptTokenizer | None = None

    @property
    def side(self) -> int:
        """The shorter side that pictures are trained with, in pixels."""
        return min(self.width, self.height)

    def size_of(self, entry: PictureEntry) -> tuple[int, int]:
        """The (width, height) a picture is trained at."""
        return training_size((entry.width, entry.height), (self.width, self.height), self.sizes, self.grid)


def check_headers(entries: Sequence[PictureEntry], settings: CheckSettings, mirrored: int = 0) -> list[Finding]:
    """What can be told at once: of the files in their order, then of the whole set. Reads no pixels.

    ``mirrored`` of the pictures are known to be mirror images of others.
    """
    found = [finding for entry in entries for finding in _check_entry(entry, settings)]
    return found + check_count(len(usable(entries)), mirrored)


def usable(entries: Sequence[PictureEntry]) -> list[PictureEntry]:
    """Those whose headers can be read: the ones to look at closer."""
    return [entry for entry in entries if entry.problem is None]


def mirrors_decide(pictures: int) -> bool:
    """Whether mirror images among so many pictures decide if there are enough."""
    return FEW_PICTURES <= pictures < 2 * FEW_PICTURES


def check_count(usable: int, mirrored: int = 0) -> list[Finding]:
    """Whether there are enough pictures, ``mirrored`` of them left out of the count."""
    if not usable:
        return [Finding(None, "dataset-empty", "there is no picture that can be used")]
    if usable - mirrored >= FEW_PICTURES:
        return []
    count = f"{usable - mirrored} picture{'s' if usable - mirrored > 1 else ''}"
    aside = f", {mirrored} mirror image{'s' if mirrored > 1 else ''} not counted" if mirrored else ""
    return [Finding(None, "too-few", f"{count}{aside}: {FEW_PICTURES} or more give a better embedding")]


def check_dataset(entries: Sequence[PictureEntry], settings: CheckSettings, look: CloserLook) -> list[Finding]:
    """Everything that is wrong, files in their order and the whole set last.

    ``look`` is a closer look at the usable ones, at the shorter side they are trained with.
    """
    files = usable(entries)
    found: dict[Path, list[Finding]] = {entry.path: _check_entry(entry, settings) for entry in entries}
    for entry, traits in zip(files, look.traits, strict=True):
        if isinstance(traits, str):
            found[entry.path] = [Finding(entry.path, "unreadable", f"cannot be read: {traits}")]
        else:
            found[entry.path] += _check_traits(entry, traits, settings)
    for pairs, code, words in (
        (look.copies, "near-duplicate", "nearly the same picture as"),
        (look.mirrored, "mirror-image", "the mirror image of"),
    ):
        for later, earlier in pairs:
            path, other = files[later].path, files[earlier].path
            found[path].append(Finding(path, code, f"{words} {other.name}"))
    whole = check_count(sum(isinstance(traits, Traits) for traits in look.traits), len(look.mirrored))
    if look.is_low_in_variety:
        whole.append(
            Finding(
                None,
                "low-variety",
                "the pictures show the same: lighting, angle, composition and expression hardly vary",
            )
        )
    return [finding for entry in entries for finding in found[entry.path]] + whole


def _check_entry(entry: PictureEntry, settings: CheckSettings) -> list[Finding]:
    path = entry.path
    if entry.problem is not None:
        return [Finding(path, "unreadable", f"{entry.problem}; it is left out")]
    found: list[tuple[str, str]] = []
    size, trained = f"{entry.width} × {entry.height}", settings.size_of(entry)
    at = f"{trained[0]} × {trained[1]}"
    if not any(
        _same_shape((entry.width, entry.height), shape) for shape in ((1, 1), (settings.width, settings.height))
    ):
        cut_or_squeezed = {"crop": "its middle is cut out to", "resize": "it is squeezed to"}
        found.append(
            ("not-square", f"{size}, not square: {cut_or_squeezed.get(settings.sizes, 'it is trained at')} {at}")
        )
    if entry.width < trained[0] or entry.height < trained[1]:
        found.append(("too-small", f"{size}, too small: it is enlarged to {at}"))
    elif (entry.width, entry.height) != (settings.width, settings.height):
        found.append(("size-differs", f"{size}: it is scaled down to {at}"))
    if entry.format not in ("JPEG", "PNG", "MPO"):  # MPO is what some cameras call a JPEG with a preview inside
        found.append(("format", f"{entry.format or 'an unknown format'}, neither JPEG nor PNG"))
    if entry.is_turned:
        found.append(("turned", "stored on its side or mirrored, and turned by the camera's mark (EXIF)"))
    found += _check_caption(entry, settings)
    return [Finding(path, code, message) for code, message in found]


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have about the same shape; as buckets see it."""
    return abs(math.log(one[0] / one[1]) - math.log(other[0] / other[1])) < 0.02


def _check_caption(entry: PictureEntry, settings: CheckSettings) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    wanted = any(FILEWORDS in line for line in settings.template)
    if wanted and not entry.caption:
        unread = f": {entry.path.stem}.txt {entry.caption_problem}" if entry.caption_problem else ""
        found.append(("caption-missing", f"no caption{unread}; [filewords] is empty for it"))
    tokens, chunks = _tokens(fill_template(max(settings.template, key=len), entry.caption), settings)
    if chunks > 1:
        least = "" if settings.tokenizer is not None else " or more"
        found.append(
            (
                "caption-long",
                f"its longest prompt takes {tokens} tokens{least}: {chunks} chunks of {CHUNK}, nothing is cut",
            )
        )
    said = next((word for word in (NAME, settings.name) if word and _says(entry.caption or "", word)), None)
    if wanted and said is not None:
        found.append(("caption-placeholder", f"its caption says {said}, which becomes the embedding a second time"))
    return found


def _tokens(prompt: str, settings: CheckSettings) -> tuple[int, int]:
    """Tokens of a prompt and how many chunks they take; the least they can be where the base model is not known."""
    if settings.tokenizer is not None:
        chunks = settings.tokenizer.chunks(prompt, settings.name, settings.vectors)
        return sum(chunk.used for chunk in chunks), len(chunks)
    tokens = len(_PIECES.findall(prompt.replace(NAME, " "))) + settings.vectors * prompt.count(NAME)
    return tokens, -(-tokens // CHUNK)


def _says(caption: str, word: str) -> bool:
    """Whether the tokenizer would put the embedding in the place of a word of this caption."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", caption, re.IGNORECASE) is not None


def _check_traits(entry: PictureEntry, traits: Traits, settings: CheckSettings) -> list[Finding]:
    found: list[tuple[str, str]] = []
    trained = min(settings.size_of(entry))
    if traits.detail is not None:
        about = f"it holds detail of about {round(traits.detail, -1):.0f} pixels a side and is trained at {trained}"
        if traits.is_enlarged and traits.detail < _ENLARGED_SHARE * trained:
            found.append(("upscaled", f"enlarged from a smaller picture: {about}"))
        elif traits.detail < _SOFT_SHARE * trained:
            found.append(("blurred", f"blurred, or enlarged from a smaller picture: {about}"))
    if traits.quality is not None and traits.quality < _POOR_QUALITY:
        found.append(("compressed", f"heavily compressed: JPEG quality {traits.quality} of 100"))
    if not traits.is_opaque:
        found.append(("alpha", "has transparent parts"))
    return [Finding(entry.path, code, message) for code, message in found]
