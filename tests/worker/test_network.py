"""Training touches no network: what a run needs is on the machine before it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.worker.helpers import recipe
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run

WATCHED = """
import sys

def hook(event, arguments):
    address = arguments[1] if event == "socket.connect" else arguments[:1]
    if event in ("socket.connect", "socket.getaddrinfo") and not isinstance(address, str):
        print("CONNECTION", event, address, file=sys.stderr, flush=True)

sys.addaudithook(hook)
if sys.argv[1] == "self-test":
    import socket
    socket.getaddrinfo("localhost", 80)
else:
    from tinv_tui.worker.__main__ import main
    sys.exit(main())
"""


def watched(argument: str) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    }
    return subprocess.run(
        [sys.executable, "-c", WATCHED, argument], capture_output=True, text=True, check=False, env=environment
    )


def test_a_run_with_previews_connects_to_nothing(tmp_path: Path) -> None:
    assert "CONNECTION" in watched("self-test").stderr
    run = make_run(plan_run(recipe(training__steps=2, saving__image_every=1, preview__steps=1), tmp_path))
    done = watched(str(run.path))
    assert (done.returncode, len(list(run.images.glob("*.png")))) == (0, 2), done.stderr
    assert "CONNECTION" not in done.stderr
