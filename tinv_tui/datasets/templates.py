"""Prompt templates: lines with ``[name]`` and ``[filewords]``, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tinv_tui.errors import InputError, why_unreadable

NAME, FILEWORDS = "[name]", "[filewords]"


def read_template(path: Path) -> list[str]:
    """The lines of a template file, blank ones left out. Raises InputError, as :func:`check_lines` does."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "template-unreadable", f"dataset.template: {path}: {why_unreadable(error)}", "Give a UTF-8 text file."
        ) from None
    return check_lines(text, path)


def check_lines(text: str, path: Path) -> list[str]:
    """The lines of a template's text, blank ones left out. Raises InputError when one of them never says ``[name]``."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    missing = next((line for line in lines if NAME not in line), None)
    if not lines or missing is not None:
        what = f"the line {missing!r} never says [name]" if missing else "the file has no lines"
        raise InputError(
            "template-nameless",
            f"dataset.template: {path}: {what}",
            "Each line needs [name], or nothing is learned from it.",
        )
    return lines


def fill_template(line: str, caption: str | None) -> str:
    """The line with the caption in it and ``[name]`` left for the tokenizer; separators around a missing one tidied."""
    text = line.replace(FILEWORDS, caption or "")
    if caption or FILEWORDS not in line:
        return " ".join(text.split())
    text = re.sub(r"\s*,(\s*,)+", ",", text)
    text = re.sub(r"\b(of|with|showing)\s*(?=,|$)", "", text)
    return re.sub(r"\s+,", ",", " ".join(text.split())).strip(" ,")


def alter_tags(caption: str, keep: Sequence[bool] | None, order: Sequence[int] | None) -> str:
    """The caption's comma-separated parts, those not kept left out, then in the given order."""
    parts = split_tags(caption)
    if order is not None:
        parts = [parts[i] for i in order]
        keep = [keep[i] for i in order] if keep is not None else None
    if keep is not None:
        parts = [part for part, kept in zip(parts, keep, strict=True) if kept]
    return ", ".join(parts)


def split_tags(caption: str) -> list[str]:
    return [part.strip() for part in caption.split(",") if part.strip()]
