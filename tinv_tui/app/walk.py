"""Walking through folders to a path: what there is to take or to go into, and what is said of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tinv_tui.app import wording
from tinv_tui.app.folder_reading import Entry, Listing, in_words, read_folder
from tinv_tui.app.path_completion import Takes
from tinv_tui.datasets.picture_files import EXTENSIONS

_MOST_ROWS = 2_000
_LOOKED_AT, _LOOKED_SECONDS = 1_000, 0.5


@dataclass(frozen=True)
class Place:
    """A folder one has walked to; ``narrowed`` is what the names shown have in them."""

    folder: str
    takes: Takes
    listing: Listing = Listing()
    narrowed: str = ""

    @property
    def can_be_taken(self) -> bool:
        return self.takes.folders and not self.narrowed and not self.listing.problem

    @property
    def entries(self) -> list[Entry]:
        """Folders first; hidden ones only where what is typed begins with a dot."""
        word = self.narrowed.casefold()
        found = [
            entry
            for entry in self.listing.entries
            if word in entry.name.casefold()
            and self.takes.leads_on(entry)
            and (word.startswith(".") or not entry.name.startswith("."))
        ]
        return sorted(found, key=lambda entry: not entry.is_folder)[:_MOST_ROWS]

    def path(self, entry: Entry) -> str:
        return os.path.join(self.folder, entry.name)

    @property
    def empty(self) -> str:
        """Why there are no rows, in a line."""
        if self.listing.problem:
            return f"this folder {self.listing.problem}; backspace goes up"
        return "nothing here has that in its name" if self.narrowed else "nothing to take here; backspace goes up"


def start_of(text: str, beside: Path) -> str:
    """The folder that a field's text leads to, as far as it is there. May hang where a mount does."""
    folder = os.path.abspath(os.path.join(beside, os.path.expanduser(text.strip())))
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return folder


def said_of(path: str, is_folder: bool, takes: Takes) -> str:
    """What helps to choose: the size of a file, and of a folder what is in it, as far as a short look tells."""
    if not is_folder:
        try:
            return wording.memory(os.stat(path).st_size)
        except OSError as error:
            return in_words(error)
    return held_in_words(read_folder(path, _LOOKED_AT, _LOOKED_SECONDS), takes)


def held_in_words(listing: Listing, takes: Takes) -> str:
    if listing.problem:
        return listing.problem
    names = {entry.name for entry in listing.entries if not entry.is_folder}
    if takes.endings and "model_index.json" in names:
        return "diffusers model"
    wanted, thing = (takes.endings, "file") if takes.endings else (tuple(EXTENSIONS), "picture")
    more = "+" if listing.is_cut else ""
    files = sum(name.lower().endswith(wanted) for name in names)
    folders = sum(entry.is_folder and not entry.name.startswith(".") for entry in listing.entries)
    counts = ((files, thing), (folders, "folder"))
    said = [f"{count}{more} {word}{'s' * (count != 1)}" for count, word in counts if count]
    return ", ".join(said) or ("too much to look through" if more else "nothing to take")
