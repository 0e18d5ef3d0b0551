"""Processes of this machine, as tests look for theirs among them."""

from __future__ import annotations

import psutil


def command_of(process: psutil.Process) -> str:
    """What it was started with; nothing of one that has ended, as a child of an earlier test that nobody waited for."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
