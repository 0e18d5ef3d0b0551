"""The screens of the top bar, once: their keys, their names in the bar, their code and their styles come from here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Literal

from textual.screen import Screen

ModeName = Literal["train", "create", "preprocess", "runs", "library"]


@dataclass(frozen=True)
class Mode:
    """``number`` is its key, and one less than that of its F-key; ``module`` below ``screens`` also names its styles."""

    name: ModeName
    number: int
    label: str
    help: str
    module: str
    screen: str
    """The screen's class. It is imported when it is first shown, and the first frame does not wait for it."""
    has_form: bool = False

    @property
    def keys(self) -> str:
        return f"{self.number},f{self.number + 1}"

    def make(self) -> Screen[None]:
        made: Screen[None] = getattr(importlib.import_module(f"tinv_tui.app.screens.{self.module}"), self.screen)()
        return made


MODES: tuple[Mode, ...] = (
    Mode("train", 1, "Train", "The train screen", "workbench", "Workbench", has_form=True),
    Mode("create", 2, "Create", "Make an embedding to train", "create", "CreateScreen", has_form=True),
    Mode("preprocess", 3, "Preprocess", "Make a dataset of pictures", "preprocess", "PreprocessScreen", has_form=True),
    Mode("runs", 4, "Runs", "The list of runs", "runs", "RunsScreen"),
    Mode("library", 5, "Library", "The embeddings there are", "library", "LibraryScreen"),
)
"""In the order of the top bar; numbers stay what they are while a screen is missing."""
