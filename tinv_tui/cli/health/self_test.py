"""Trains for real: a few steps on the bundled model, in a worker and a home of their own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tinv_tui.cli.health.check import Check
from tinv_tui.interpreter import PYTHON
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.demo import demo_recipe
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.status import read_status

STEPS = 20
_PATIENCE_SECONDS = 300
_HINT = "Tell it with what this prints: tinv-tui demo --steps 20 --headless --debug"


def check_by_training() -> Check:
    """20 steps, a preview and a result; nothing of it is kept."""
    asked = demo_recipe(STEPS, None)
    asked = asked.model_copy(
        update={
            "saving": asked.saving.model_copy(update={"image_every": STEPS, "embedding_every": 0}),
            "preview": asked.preview.model_copy(update={"prompts": asked.preview.prompts[:1], "steps": 4}),
        }
    )
    with tempfile.TemporaryDirectory(prefix="tinv-doctor-", ignore_cleanup_errors=True) as home:
        recipe = Path(home) / "self-test.toml"
        recipe.write_text(to_toml(asked))
        command = [*PYTHON, "-m", "tinv_tui", "train", str(recipe), "--headless", "--json"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TINV_HOME": home},
        )
        try:
            out, words = process.communicate(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()  # it passes that on to its worker, and waits for it
            process.communicate()
            return Check("self-test", False, f"not done after {_PATIENCE_SECONDS} s", _HINT)
        return _judge(out, words)


def _judge(out: str, words: str) -> Check:
    """``out`` is the command's JSON, ``words`` what it said beside."""
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        last = (words.strip().splitlines() or ["it said nothing"])[-1]
        return Check("self-test", False, last, _HINT)
    if "error" in told:
        return Check("self-test", False, told["error"]["message"], told["error"]["hint"] or _HINT)
    if told["state"] != "finished":
        return Check("self-test", False, f"the run ended {told['state']} at step {told['steps']}", _HINT)
    status = read_status(RunFolder(Path(told["run"])).status)
    where = f" on {status.device}" if status is not None and status.device else ""
    rate = f"{told['steps_per_second']:.1f} steps/s" if told["steps_per_second"] else "rate unknown"
    return Check(
        "self-test", True, f"{told['steps']} steps on the bundled model{where}: {rate}, {told['seconds']:.0f} s in all"
    )
