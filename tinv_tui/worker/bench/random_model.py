"""The job ``random-model``: a base model of true shape with random weights, written to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinv_tui.models.random_model import make_random_model
from tinv_tui.worker.jobs import Desk


def run(arguments: dict[str, Any], desk: Desk) -> dict[str, Any]:
    """Write ``shape`` to ``folder``. Raises OSError."""
    desk.progress(0, 1, phase="making the model")
    make_random_model(str(arguments["shape"]), Path(arguments["folder"]))
    return {"folder": arguments["folder"]}
