"""What the parts of a training worker share: the run's folder, its job, and its voice."""

from __future__ import annotations

from dataclasses import dataclass

from tinv_tui.models.hashes import HashInBackground
from tinv_tui.runs.folder import RunFolder
from tinv_tui.training.loop import Job
from tinv_tui.worker.disk_room import DiskRoom
from tinv_tui.worker.memory import Expected
from tinv_tui.worker.reporter import Reporter


@dataclass
class Work:
    """One run under way. ``job`` is replaced where its recipe is changed while it runs."""

    folder: RunFolder
    job: Job
    reporter: Reporter
    model_hash: HashInBackground
    room: DiskRoom
    expected: Expected | None = None
    """What memory a step should take; None on a CPU."""

    def warn(self, code: str, message: str, hint: str) -> None:
        self.reporter.tell("warning", code=code, message=message, hint=hint)

    def phase(self, name: str, done: int, total: int) -> None:
        self.reporter.tell("phase", name=name, done=done, total=total)
        self.reporter.update(phase=name)

    @property
    def pictures(self) -> int:
        return sum(len(bucket.pictures) for bucket in self.job.latents.buckets)
