"""The job ``random-model``: a base model of true shape with random weights, written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinv_tui.models.random_model import make_random_model, quickest_device
from tinv_tui.worker.jobs import Desk


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """Write ``shape`` to ``folder``. Raises OSError."""
    desk.progress(0, 1, phase="making the model")
    shape = str(arguments["shape"])
    make_random_model(shape, Path(arguments["folder"]), drawn_on=quickest_device(shape))
    return {"folder": arguments["folder"]}
