"""The interpreter for processes of our own."""

from __future__ import annotations

import sys

PYTHON = (sys.executable, "-P")
"""Begins a command. Without ``-P`` the folder that a command is called in would come before all that is installed: any
``random.py`` there would be run in place of Python's own."""
