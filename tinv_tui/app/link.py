"""A slow link: less is sent, and less often; only keys are answered as quickly as ever."""

from __future__ import annotations

from typing import Any

from textual.app import App

SLOW_LINK = "-slow-link"
"""The app's class where it was opened with --slow-link, for code and stylesheets."""
PICTURES = "-pictures"
"""The app's class while pictures are drawn over a slow link all the same."""

_LEAST_SECONDS = 5.0


def is_slow(app: App[Any]) -> bool:
    return app.has_class(SLOW_LINK)


def between_looks(app: App[Any], seconds: float) -> float:
    """How long to wait before something is looked at again that would be after ``seconds`` on a good link."""
    return max(seconds, _LEAST_SECONDS) if is_slow(app) else seconds


def draws_pictures(app: App[Any]) -> bool:
    """Whether pictures nobody asked for are drawn: one takes as many bytes as half a minute of all else."""
    return not is_slow(app) or app.has_class(PICTURES)
