"""Brings a base model from the Hub onto this machine; asks first, since it is gigabytes."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static
from textual.worker import Worker

from tinv_tui.app import wording
from tinv_tui.app.background import in_background
from tinv_tui.app.keys import bindings_of, hint
from tinv_tui.app.screens.dialog import Dialog
from tinv_tui.app.widgets.dialog_keys import DialogKeys
from tinv_tui.errors import InputError
from tinv_tui.models.hub import cache_folder, cached_folder, is_hub_id
from tinv_tui.runs.jobs import JobBroken, Progress, run_job

if TYPE_CHECKING:
    from tinv_tui.app.app import TinvApp


class FetchScreen(Dialog[bool]):
    """Answers whether the model is here now. Closing it ends the fetching; whole files stay."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("fetch")

    def __init__(self, hub_id: str) -> None:
        super().__init__()
        self._hub_id = hub_id
        self._fetching: Worker[None] | None = None
        self._began: tuple[float, int] | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(f"Fetch {self._hub_id} from the Hub?", classes="dialog-title", markup=False)
            yield Static(_about(), classes="dialog-text", markup=False)
            yield Static("", id="fetch-words", markup=False)
            yield DialogKeys(hint("fetch.fetch"), hint("fetch.leave"))

    def action_fetch(self) -> None:
        if self._fetching is None or self._fetching.is_finished:
            self._fetching = in_background(self, self._fetch(), group="fetch")

    def action_leave(self) -> None:
        """Leaving the screen cancels its worker, and with it the job."""
        self.dismiss(False)

    async def _fetch(self) -> None:
        self._began = None
        self._say("starting")
        self._show_keys(hint("fetch.leave", "stop fetching; whole files stay"))
        try:
            await run_job("fetch", self._tell, hub_id=self._hub_id)
        except InputError as error:
            self._say(f"✖ {error.message}. {error.hint}".strip())
        except (JobBroken, OSError) as error:
            self._say(f"✖ {error}")
        else:
            self.dismiss(True)
            return
        self._show_keys(hint("fetch.fetch", "try again"), hint("fetch.leave", "close"))

    def _tell(self, news: Progress) -> None:
        done, total, now = news["done"], news["total"], time.monotonic()
        if not total:
            self._say(news["phase"])
            return
        if self._began is None:  # what was here before is no measure of the link
            self._began = now, done
        since, at = self._began
        rate = (done - at) / (now - since) if now > since else None
        self._say(wording.bytes_done(done, total, rate))

    def _show_keys(self, *hints: str) -> None:
        self.query_one(DialogKeys).show(*hints)

    def _say(self, text: str) -> None:
        if self.is_mounted:
            self.query_one("#fetch-words", Static).update(text)


def _about() -> str:
    folder = cache_folder()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = wording.memory(shutil.disk_usage(nearest).free)
    return (
        "It is not on this machine. Only what training needs is fetched, in half precision where there is one: about 2 GB "
        f"for a model of SD 1.x, 7 GB for SDXL. It goes to the Hub's cache, {folder}, where {free} are free."
    )


async def model_is_here(app: TinvApp, text: str) -> bool:
    """Whether a base model can be used now; one that would have to be fetched first is offered. Call it in a worker."""
    hub_id = text.strip()

    def is_missing() -> bool:
        return is_hub_id(hub_id, Path.cwd()) and cached_folder(hub_id) is None

    if not await asyncio.to_thread(is_missing):
        return True
    return await app.push_screen_wait(FetchScreen(hub_id))
