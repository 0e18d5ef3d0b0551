"""Walks through captions: one editor after the other, as long as the next one is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tinv_tui.app.screens.caption_editor import CaptionEditor
from tinv_tui.datasets.caption_files import open_caption
from tinv_tui.errors import InputError

if TYPE_CHECKING:
    from tinv_tui.app.widgets.dataset_pane import DatasetPane
    from tinv_tui.datasets.pictures import PictureEntry


async def edit_captions(pane: DatasetPane, wanted: Iterable[PictureEntry]) -> None:
    """Each picture is chosen in the pane while its caption is edited; the pane is told of what was written."""
    for entry in wanted:
        pane.listed.choose(entry)
        try:
            caption = await asyncio.to_thread(open_caption, entry.path, entry.caption or "")
        except InputError as error:
            pane.refuse(entry, f"{error.message}. {error.hint}")
            return
        asked = await pane.app.push_screen_wait(CaptionEditor(caption, pane.prompts, pane.place_of(entry)))
        if asked is not None:
            pane.post_message(pane.FilesChanged())
        if asked != "next":
            return
