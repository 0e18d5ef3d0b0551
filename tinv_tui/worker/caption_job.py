"""The job that captions one picture, and the captioners that a preprocessing section asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from tinv_tui.datasets.captioner_models import BLIP, Presence, require
from tinv_tui.datasets.decoding import open_flat
from tinv_tui.datasets.tagger import TagChoice, Tagger
from tinv_tui.errors import InputError
from tinv_tui.sections import PreprocessSection
from tinv_tui.worker.jobs import Desk


class Captioner(Protocol):
    def caption(self, picture: Image.Image) -> str: ...


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """``picture`` (a path), ``captioner`` (blip, tags, or a known tagger), ``model`` (a folder or hub id; may be empty).

    Answers ``{"caption": text}``. Raises InputError.
    """
    desk.progress(0, 1)
    folder = require(arguments["captioner"], arguments.get("model") or "")
    try:
        picture = open_flat(Path(arguments["picture"]))
    except OSError as error:
        raise InputError("picture-unreadable", f"{arguments['picture']}: {error}", "Choose another picture.") from None
    captioner = load(arguments["captioner"], folder, PreprocessSection())
    desk.check()
    return {"caption": captioner.caption(picture)}


def load(captioner: str, folder: Path, section: PreprocessSection) -> Captioner:
    """A captioner, ready. Raises InputError when its model cannot be loaded."""
    if captioner == BLIP:
        from tinv_tui.datasets.blip import BlipCaptioner  # seconds, for torch and transformers

        return BlipCaptioner(
            folder,
            min_length=section.blip_min_length,
            max_length=section.blip_max_length,
            beams=section.blip_beams,
        )
    left_out = frozenset(" ".join(tag.replace("_", " ").lower().split()) for tag in section.tag_filter.split(","))
    choice = TagChoice(
        section.tag_threshold, section.character_threshold, section.tag_order, section.tag_spaces, left_out
    )
    return Tagger(folder, choice)


class Captioners:
    """Those of a job, one after the other: the sentence first, then the tags."""

    def __init__(self, chosen: tuple[Presence, ...], section: PreprocessSection) -> None:
        self._loaded = [load(found.captioner, found.folder, section) for found in chosen if found.folder is not None]

    def caption(self, picture: Image.Image) -> str:
        return ", ".join(words for words in (c.caption(picture) for c in self._loaded) if words)
