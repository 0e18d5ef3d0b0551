"""Completes a path while it is typed, as a shell does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tinv_tui.app.folder_reading import NO_FOLDER, NOT_THERE, READER, Entry, Listing, Reader

_SHOWN = 4


@dataclass(frozen=True)
class Takes:
    """What a field takes the path of: a file with one of the ``endings``, ``folders``, or either."""

    endings: tuple[str, ...] = ()
    folders: bool = True

    def leads_on(self, entry: Entry) -> bool:
        """Whether an entry can be taken, or leads to what can."""
        return entry.is_folder or entry.name.lower().endswith(self.endings)


FOLDER = Takes()

TAKES: dict[str, Takes] = {
    "model.path": Takes((".safetensors", ".ckpt")),
    "model.vae": Takes((".safetensors", ".ckpt", ".pt")),
    "preview.tiny_vae": Takes((".safetensors",)),
    "dataset.path": FOLDER,
    "dataset.template": Takes((".txt",), folders=False),
    "embedding.continue_from": Takes((".safetensors", ".pt", ".bin", ".png", ".webp"), folders=False),
    "saving.log_directory": FOLDER,
    "preprocess.source": FOLDER,
    "preprocess.destination": FOLDER,
    "preprocess.face_model": Takes((".onnx",), folders=False),
    "preprocess.tagger": FOLDER,
    "preprocess.blip_model": FOLDER,
}
"""The settings that are paths, or may be. Those of preprocessing and all others start at the folder the app runs in."""


@dataclass(frozen=True)
class Completion:
    """``text`` is the whole path with the best match; None where nothing matches, or nothing is begun."""

    text: str | None = None
    matches: tuple[str, ...] = ()
    """The last parts of all that match, folders with a slash."""
    is_whole: bool = False
    """Whether what is typed names one of them already."""
    is_cut: bool = False
    problem: str = ""
    """Why nothing can be said; that a folder is not there, which what reads the path says anyway, is nothing to say here."""

    @property
    def in_words(self) -> str:
        """What matches: how many, and the first few of them. Of a half typed name; of a whole one the form says more."""
        if self.problem or not self.matches or self.is_whole:
            return self.problem
        first, *others = self.matches
        if self.text is None:
            first, others = "", list(self.matches)
        shown = "  ".join(others[:_SHOWN])
        more = f"{len(others)}{'+' if self.is_cut else ''}{' more' if first else ' in it'}: {shown}" if others else ""
        more += " …" if len(others) > _SHOWN else ""
        return "   ".join(filter(None, (f"→ {first}" if first else "", more)))


def split(text: str, beside: Path) -> tuple[str, str]:
    """The folder that a typed path is in, as it is read, and the part of a name that is typed of what lies there."""
    folder, slash, part = text.rpartition("/")
    return os.path.join(beside, os.path.expanduser(folder + slash)), part


def complete(text: str, listing: Listing, takes: Takes) -> Completion:
    """What of a folder's ``listing`` goes on from ``text``. Hidden entries match only once a dot is typed."""
    folder, slash, part = text.rpartition("/")
    if listing.problem:
        is_told = listing.problem in (NOT_THERE, NO_FOLDER)
        return Completion(problem="" if is_told else f"{folder or slash or 'this folder'} {listing.problem}")
    matches = tuple(
        entry.name + "/" * entry.is_folder
        for entry in listing.entries
        if entry.name.startswith(part)
        and entry.can_be_typed
        and takes.leads_on(entry)
        and not (entry.name.startswith(".") and not part.startswith("."))
    )
    if matches == (part,):
        matches = ()
    whole = folder + slash + matches[0] if part and matches else None
    is_whole = bool(part) and part in (name.rstrip("/") for name in matches)
    return Completion(whole, matches, is_whole, listing.is_cut)


async def completion_of(text: str, takes: Takes, beside: Path, reader: Reader = READER) -> Completion:
    """How a path that is typed may go on. ``~`` alone is a home, not the start of a name."""
    if not text or text.startswith("~") and "/" not in text:
        return Completion(text=text + "/" if text == "~" else None)
    folder, _ = split(text, beside)
    return complete(text, await reader.read(folder), takes)
