"""What the keys of the previews do, in their pane and where they have the whole screen."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.dom import DOMNode

from tinv_tui.app.gallery import Gallery, find_originals

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp


class PreviewsWalk(DOMNode):
    """Has a gallery, and shows each change of it."""

    app: TinvApp
    gallery: Gallery

    def show_gallery(self, gallery: Gallery) -> None:
        raise NotImplementedError

    def say(self, text: str) -> None:
        """A line for whoever pressed a key."""
        raise NotImplementedError

    def action_earlier(self) -> None:
        self.show_gallery(self.gallery.moved(-1))

    def action_later(self) -> None:
        self.show_gallery(self.gallery.moved(1))

    def action_next_prompt(self) -> None:
        self.show_gallery(self.gallery.with_next_prompt())

    def action_mark(self) -> None:
        self.show_gallery(self.gallery.with_mark())

    async def action_originals(self) -> None:
        """The dataset's pictures beside the preview, or no longer."""
        now = self.app.control.now
        if self.gallery.originals or now is None:
            self.show_gallery(replace(self.gallery, originals=()))
            return
        found = await asyncio.to_thread(find_originals, now.folder)
        if not found:
            self.say("the pictures it was trained on are not there any more")
        self.show_gallery(replace(self.gallery, originals=tuple(found), original=0))

    def action_copy_path(self) -> None:
        if (shown := self.gallery.shown) is not None:
            self.app.copy_to_clipboard(str(shown.path))
            self.say(f"copied, where the terminal takes it: {shown.path}")
