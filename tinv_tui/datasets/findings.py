"""What can be wrong with a dataset, in words: one finding for a file or for the whole set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True)
class Kind:
    """A kind of finding. ``mark`` is what a list shows beside a file, ``many`` what is said of several pictures at once."""

    severity: Severity
    mark: str
    many: str
    hint: str


KINDS: dict[str, Kind] = {
    "unreadable": Kind(
        "error", "unreadable", "cannot be read", "Repair it or take it out: it is left out of the training."
    ),
    "dataset-empty": Kind("error", "", "", "Put PNG or JPEG pictures into the folder."),
    "too-few": Kind("warning", "", "", "Add pictures: 5 or more give a better embedding; mirror images do not count."),
    "low-variety": Kind(
        "warning", "", "", "Add pictures with other lighting, from other angles, of another composition and expression."
    ),
    "near-duplicate": Kind(
        "warning",
        "copy",
        "are nearly the same as another",
        "Keep one of them: a copy only makes its picture count more.",
    ),
    "mirror-image": Kind(
        "information",
        "mirror",
        "are mirror images of another",
        "Fine unless left and right matter; it adds no variety.",
    ),
    "not-square": Kind(
        "warning", "not square", "are not square", "Preprocess it to a square around what matters, or keep its shape."
    ),
    "too-small": Kind(
        "warning", "small", "are smaller than they are trained at", "Use a larger original, or train at a smaller size."
    ),
    "size-differs": Kind(
        "information", "scaled", "have another size than the run", "The training does that; there is nothing to do."
    ),
    "format": Kind("information", "format", "are neither JPEG nor PNG", "It is read all the same; nothing to do."),
    "turned": Kind(
        "information",
        "turned",
        "are turned by the camera's mark",
        "It is trained upright; other tools may not turn it.",
    ),
    "alpha": Kind(
        "warning",
        "clear",
        "have transparent parts",
        "They are trained on white. dataset.alpha_as_weight makes what is transparent count less.",
    ),
    "upscaled": Kind(
        "warning", "upscaled", "were enlarged from a smaller picture", "Use the original, or a sharper one."
    ),
    "blurred": Kind("warning", "blurred", "are blurred", "Use a sharper picture: the embedding learns the blur too."),
    "compressed": Kind(
        "warning", "compressed", "are heavily compressed", "Use the original: the embedding learns JPEG's blocks too."
    ),
    "caption-missing": Kind(
        "warning",
        "no caption",
        "have no caption",
        "Write one into a .txt file of the same name, or take a template without [filewords].",
    ),
    "caption-long": Kind(
        "warning", "long", "have a prompt of more than 75 tokens", "Shorten the caption: the first words count most."
    ),
    "caption-placeholder": Kind(
        "warning",
        "names it",
        "have a caption that names the embedding",
        "Take it out of the caption: the template says it already, and here it takes the tokens of its vectors twice.",
    ),
}
"""By code. Commands and the app say the same codes."""


@dataclass(frozen=True)
class Finding:
    """``file`` is None when it is about the whole set."""

    file: Path | None
    code: str
    message: str

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]

    @property
    def severity(self) -> Severity:
        return self.kind.severity

    @property
    def hint(self) -> str:
        return self.kind.hint


def by_code(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The findings of each kind, kinds in the order they come first."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.code, []).append(finding)
    return found


def in_one_line(alike: list[Finding], pictures: int) -> str:
    """What is said of several findings of one kind; ``pictures`` is how many there are in all."""
    first = alike[0]
    if first.file is None:
        return first.message
    if len(alike) == 1:
        return f"{first.file.name}: {first.message}"
    names = ", ".join(finding.file.name for finding in alike[:2] if finding.file is not None)
    return f"{len(alike)} of {pictures} pictures {first.kind.many} ({names}{', …' if len(alike) > 2 else ''})"
