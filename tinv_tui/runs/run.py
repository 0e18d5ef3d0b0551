"""One async interface to a run, for the app and the command line alike.

Everything goes through the folder: any number of viewers may hold a :class:`Run` on the same one, and cancelling what
waits here never touches the worker.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinv_tui.errors import InputError
from tinv_tui.runs.events import Event, EventReader
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.inbox import post_command
from tinv_tui.runs.liveness import LIVE_STATES, RunState, has_worker, in_words, state_of

if TYPE_CHECKING:
    from tinv_tui.recipe import Recipe
    from tinv_tui.runs.status import Status

_POLL_SECONDS = 0.2
_DELETED_POLLS = 3
HOOK_FAILED = "hook-failed"
"""The code of the one warning that may come after ``ended``."""


class Run:
    """A handle on a run folder. ``process`` is set in the process that started the worker, to reap it.

    ``since`` is where in the file of events its story begins.
    """

    def __init__(self, folder: RunFolder, process: subprocess.Popen[bytes] | None = None, *, since: int = 0) -> None:
        self.folder = folder
        self.process = process
        self._since = since

    @classmethod
    async def start(cls, recipe: Recipe, *, beside: Path | None = None, wait_free_bytes: int = 0) -> Run:
        """Check the recipe, make the folder, start the worker. Raises InputError, and then nothing is left behind.

        The worker waits until its device has ``wait_free_bytes`` of free memory.
        """
        from tinv_tui.runs.launch import launch_worker
        from tinv_tui.runs.starting import prepare_start  # it reads models and pictures, whoever watches does not

        folder = await asyncio.to_thread(prepare_start, recipe, beside or Path.cwd())
        return cls(folder, launch_worker(folder, wait_free_bytes))

    async def resume(
        self,
        *,
        steps: int | None = None,
        overrides: Sequence[str] = (),
        anyway: bool = False,
        wait_free_bytes: int = 0,
    ) -> None:
        """Start a worker on the folder again, from its checkpoint. Raises InputError, and then nothing has changed.

        ``steps`` is a new total; ``overrides`` are ``section.key=value`` of keys that may change. Both are written into
        the run's recipe and told as ``changed`` events. A model or pictures that have become others are refused, unless
        ``anyway``: then they are told too. ``wait_free_bytes`` is as for :meth:`start`.
        """
        from tinv_tui.runs.launch import launch_worker
        from tinv_tui.runs.starting import prepare_resume

        self._since = await asyncio.to_thread(
            prepare_resume, self.folder, self.state, steps=steps, overrides=overrides, anyway=anyway
        )
        self.process = await asyncio.to_thread(launch_worker, self.folder, wait_free_bytes)

    async def unpause(self) -> str:
        """Let a paused run go on, with a new worker where it has none; what was done. Raises InputError."""
        state, status = await asyncio.to_thread(self.state)
        if state == "paused" and not has_worker(state, status):
            await self.resume()
            return f"going on from step {status.step if status else 0} in a new worker"
        ack = await self.command("unpause")
        if not ack["ok"]:
            raise InputError("command-refused", str(ack["message"]), "")
        return str(ack["message"])

    def state(self) -> tuple[RunState, Status | None]:
        """The run's true state and the worker's last status."""
        gone = self.process is not None and self.process.poll() is not None  # also reaps it
        state, status = state_of(self.folder)
        if gone and state == "paused":
            self.process = None  # whoever lets it go on starts a worker of their own
        return ("lost", status) if gone and state == "starting" else (state, status)

    async def was_deleted(self) -> bool:
        """Whether the folder of a run without a worker is gone. It waits for a moment: a folder loses its files first."""
        for _ in range(_DELETED_POLLS):
            if self.folder.is_gone:
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return self.folder.is_gone

    async def events(self) -> AsyncIterator[Event]:
        """The run's story, then its news as they come; ends after the last event of a run whose worker is gone.

        Of a run that was resumed here, the story since then.
        """
        reader = EventReader(self.folder.events, self._since)
        ended = False
        while True:
            news = await asyncio.to_thread(reader.read_new)
            for event in news:
                ended = event["kind"] == "ended"
                yield event
            if not news:
                state, _ = await asyncio.to_thread(self.state)
                if state not in LIVE_STATES and (ended or not reader.read_ahead()):
                    return
                await asyncio.sleep(_POLL_SECONDS)

    async def command(self, command: str, *, patience: float = 60.0, **args: Any) -> Event:
        """Leave a command and wait for its ``ack`` event. Raises InputError when the run ends or stays silent."""
        state, status = await asyncio.to_thread(self.state)
        if not has_worker(state, status):
            onward = {"paused": "unpause", "finished": "show"}.get(state, "resume")
            hint = f"tinv-tui {onward} {self.folder.handle}"
            said = f"{self.folder.name} is {in_words(state, status)}: it takes no commands"
            raise InputError("run-not-live", said, hint)
        reader = EventReader(self.folder.events)
        reader.skip()
        posted = post_command(self.folder.inbox, command, args)
        deadline = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < deadline:
            for event in await asyncio.to_thread(reader.read_new):
                if event["kind"] == "ack" and event.get("id") == posted.id:
                    return event
            state, status = await asyncio.to_thread(self.state)
            if not has_worker(state, status) and not reader.read_ahead():
                if await self.was_deleted():
                    said = f"{self.folder.path} is gone: deleted or moved away"
                    raise InputError("run-gone", said, "See: tinv-tui runs")
                raise InputError("run-not-live", f"{self.folder.name} ended ({state}) before it took the command", "")
            await asyncio.sleep(_POLL_SECONDS / 2)
        raise InputError(
            "run-silent",
            f"{self.folder.name} has not answered for {patience:.0f} s",
            f"It takes the command between steps. Or end it: tinv-tui stop {self.folder.handle} --force",
        )

    async def wait(self) -> Event | None:
        """Wait until the worker is gone; its ``ended`` event, or None when it left without one."""
        last: Event | None = None
        async for event in self.events():
            if event.get("code") != HOOK_FAILED:
                last = event
        return last if last is not None and last["kind"] == "ended" else None
