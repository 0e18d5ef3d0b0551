"""What a file is that holds no weights at all, told from how it begins: what a download left instead of the file."""

from __future__ import annotations

AGAIN = "Download it again."


def what_came_instead(start: bytes) -> tuple[str, str] | None:
    """What follows "is", and a hint, by a file's first 256 bytes; None where they tell nothing."""
    text = start.lstrip().lower()
    if not start:
        return "empty", AGAIN
    if start.startswith(b"version https://git-lfs"):
        return "a pointer of git-lfs, not the file itself", "Run: git lfs pull"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page", f"{AGAIN} The site may want a login."
    return None
