"""Writes a run's numbers and previews for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from tinv_tui.runs.curve import Smoothing, read_losses

_FLUSH_SECONDS = 10
_WAITING = 1000
"""Events that may wait for the disk before training waits too."""


class Board:
    """One file of events in ``folder``. Any method may raise whatever its writer's thread met: a full disk, say."""

    def __init__(self, folder: Path, losses: Path, step: int, prompts: Iterable[str]) -> None:
        """``losses`` is the run's loss table up to ``step``, where the run goes on; each of ``prompts`` has its own row."""
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder), max_queue_size=_WAITING, flush_secs=_FLUSH_SECONDS)
        self._prompts = frozenset(prompts)
        self._losses = losses
        self._smoothing = Smoothing()
        if step:  # what a killed worker wrote beyond its checkpoint is written again
            self.go_back(step)

    def go_back(self, step: int) -> None:
        """The steps after this one are written again. The loss table has been cut already."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._smoothing = Smoothing()
        for _, loss in read_losses(self._losses):
            self._smoothing.add(loss)
        self._write(step + 1, session_log=SessionLog(status=SessionLog.START))

    def step(self, step: int, loss: float, rate: float, gradient_norm: float) -> None:
        smooth = self._smoothing.add(loss)
        losses = {"loss/training": loss, "loss/smoothed": smooth}
        self._scalars(step, {**losses, "learning rate": rate, "gradient norm": gradient_norm})

    def told(self, kind: str, fields: dict[str, Any]) -> None:
        """Take what there is for TensorBoard in an event of the run."""
        match kind:
            case "evaluation":
                norms = {f"vector length/{n}": norm for n, norm in enumerate(fields["norms"], start=1)}
                self._scalars(fields["step"], {"loss/evaluation": fields["loss"], **norms})
            case "preview":
                prompt = fields["prompt"]
                tag = f"preview/{prompt}" if prompt in self._prompts else "preview"
                self._picture(fields["step"], tag, Path(fields["path"]))

    def close(self) -> None:
        self._writer.close()

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step, summary=Summary(value=[Summary.Value(tag=t, simple_value=v) for t, v in values.items()]))

    def _picture(self, step: int, tag: str, path: Path) -> None:
        """The file as it is: TensorBoard takes PNG."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(path, formats=("PNG",)) as picture:
            width, height = picture.size
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=path.read_bytes())
        self._write(step, summary=Summary(value=[Summary.Value(tag=tag, image=image)]))

    def _write(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=step, **content))
