"""``python -m tinv_tui.worker RUN``: train a run folder to its end, fresh or from its checkpoint."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.liveness import RunLock
from tinv_tui.worker.signals import Signals


def main() -> int:
    """Lock the run and train it; the exit code is 0 (finished or stopped), 1 (failed) or 2 (bad input)."""
    folder = RunFolder(Path(sys.argv[1]).absolute())
    try:
        lock = RunLock(folder.lock)  # before torch is imported: from here on the run is seen to be alive
    except BlockingIOError as error:
        print(error, file=sys.stderr)
        return 1
    signals = Signals()

    def stop(_number: int, _frame: object) -> None:
        if signals.stop.is_set():
            os._exit(130)  # asked twice: at once, the checkpoint is on the disk
        signals.stop.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: signals.save.set())

    from tinv_tui.worker.session import run_session  # imports torch: 1.5 s

    try:
        return run_session(folder, signals)
    finally:
        del lock


if __name__ == "__main__":
    sys.exit(main())
