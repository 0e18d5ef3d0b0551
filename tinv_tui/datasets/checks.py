"""What is wrong with a dataset: first what its headers and captions tell, then, slower, what its pixels do."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tinv_tui.datasets.buckets import SizeMode, training_size
from tinv_tui.datasets.findings import Finding
from tinv_tui.datasets.looks import THUMB, Look, look_at_all
from tinv_tui.datasets.pictures import PictureEntry
from tinv_tui.datasets.templates import FILEWORDS, NAME, fill_template
from tinv_tui.datasets.variety import find_copies, find_mirrored, measure_variety
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

    def size_of(self, entry: PictureEntry) -> tuple[int, int]:
        """The (width, height) a picture is trained at."""
        return training_size((entry.width, entry.height), (self.width, self.height), self.sizes, self.grid)


def check_headers(entries: Sequence[PictureEntry], settings: CheckSettings) -> list[Finding]:
    """What can be told at once: of the files in their order, then of the whole set.

    Pixels are read only where mirror images among a handful of pictures decide whether there are enough.
    """
    found = [finding for entry in entries for finding in _check_entry(entry, settings)]
    usable = [entry.path for entry in entries if entry.problem is None]
    mirrored = 0
    if FEW_PICTURES <= len(usable) < 2 * FEW_PICTURES:
        looks = [look for look in look_at_all(usable, 2 * THUMB) if isinstance(look, Look)]
        mirrored = len(find_mirrored(looks))
    return found + check_count(len(usable), mirrored)


def check_count(usable: int, mirrored: int = 0) -> list[Finding]:
    """Whether there are enough pictures, ``mirrored`` of them left out of the count."""
    if not usable:
        return [Finding(None, "dataset-empty", "there is no picture that can be used")]
    if usable - mirrored >= FEW_PICTURES:
        return []
    count = f"{usable - mirrored} picture{'s' if usable - mirrored > 1 else ''}"
    aside = f", {mirrored} mirror image{'s' if mirrored > 1 else ''} not counted" if mirrored else ""
    return [Finding(None, "too-few", f"{count}{aside}: {FEW_PICTURES} or more give a better embedding")]


def check_dataset(
    entries: Sequence[PictureEntry],
    settings: CheckSettings,
    *,
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> list[Finding]:
    """Everything that is wrong, files in their order and the whole set last.

    ``progress`` gets pictures done and in all, in the caller's thread; what it raises ends the check.
    """
    usable = [entry for entry in entries if entry.problem is None]
    looks: dict[int, Look] = {}
    found: dict[Path, list[Finding]] = {entry.path: _check_entry(entry, settings) for entry in entries}
    side = min(settings.width, settings.height)
    with closing(look_at_all([entry.path for entry in usable], side, threads=threads)) as seen:
        for number, look in enumerate(seen):
            path = usable[number].path
            if isinstance(look, OSError):
                found[path] = [Finding(path, "unreadable", f"cannot be read: {look}")]
            else:
                looks[number] = look
                found[path] += _check_look(usable[number], look, settings)
            if progress is not None:
                progress(number + 1, len(usable))
    places, good = list(looks), list(looks.values())
    copies, mirrored = find_copies(good), find_mirrored(good)
    for pairs, code, words in (
        (copies, "near-duplicate", "nearly the same picture as"),
        (mirrored, "mirror-image", "the mirror image of"),
    ):
        for later, earlier in pairs:
            path, other = usable[places[later]].path, usable[places[earlier]].path
            found[path].append(Finding(path, code, f"{words} {other.name}"))
    whole = check_count(len(good), len(mirrored))
    if len(good) >= 3 and measure_variety(good).is_low:
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
        found.append(("caption-missing", "no caption; [filewords] is empty for it"))
    tokens, chunks = _tokens(fill_template(max(settings.template, key=len), entry.caption), settings)
    if chunks > 1:
        least = "" if settings.tokenizer is not None else " or more"
        found.append(
            ("caption-long", f"its prompt takes {tokens} tokens{least}: {chunks} chunks of {CHUNK}, nothing is cut")
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


def _check_look(entry: PictureEntry, look: Look, settings: CheckSettings) -> list[Finding]:
    found: list[tuple[str, str]] = []
    trained = min(settings.size_of(entry))
    if look.detail is not None:
        about = f"it holds detail of about {round(look.detail, -1):.0f} pixels a side and is trained at {trained}"
        if look.is_enlarged and look.detail < _ENLARGED_SHARE * trained:
            found.append(("upscaled", f"enlarged from a smaller picture: {about}"))
        elif look.detail < _SOFT_SHARE * trained:
            found.append(("blurred", f"blurred, or enlarged from a smaller picture: {about}"))
    if look.quality is not None and look.quality < _POOR_QUALITY:
        found.append(("compressed", f"heavily compressed: JPEG quality {look.quality} of 100"))
    if not look.is_opaque:
        found.append(("alpha", "has transparent parts"))
    return [Finding(entry.path, code, message) for code, message in found]
