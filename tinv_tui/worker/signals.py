"""What the system told the worker; set in signal handlers, read between steps."""

from __future__ import annotations

import threading


class Signals:
    """``stop`` (TERM, INT) ends the run after its step, saved; ``save`` (USR1) writes a copy and a checkpoint."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.save = threading.Event()
