"""Turns the scores into the tables of the bundled model's README."""

from __future__ import annotations

from collections.abc import Mapping

from tinv_tui.models.bundled.build.concepts import LESSONS

Scores = Mapping[str, Mapping[str, float]]


def markdown(scores: Scores, settings: str) -> str:
    """The base model's figures, then one table of hues and one of the rest; embeddings trained with ``settings``."""
    base = scores.get("base model", {})
    lines = [", ".join(f"{name} {value:.2f}" for name, value in base.items()), ""]
    hues = [name for name, lesson in LESSONS.items() if lesson.concept.hue is not None]
    for title, names in (("hue", hues), ("without a word", [name for name in LESSONS if name not in hues])):
        digits = 1 if names is hues else 2
        rows = [_row(scores, name, settings, digits) for name in names if name in scores]
        heads = [title, "its pictures", "through the VAE", "true vector", "init word", "nearest named prompt"]
        heads += [f"{count} {of}" for count in (1, 4) for of in ("vector(s): median", "worst", "on white")]
        lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows, ""]
    return "\n".join(lines)


def _row(scores: Scores, name: str, settings: str, digits: int) -> str:
    cells = [name]
    standing = scores[name]
    cells += [_cell(standing, key, digits) for key in ("pictures", "through the VAE", "true vector", "init", "named")]
    for count in (1, 4):
        learned = scores.get(f"{name} {count}v {settings}", {})
        cells += [_cell(learned, key, digits) for key in ("median", "worst", "on white")]
    return f"| {' | '.join(cells)} |"


def _cell(row: Mapping[str, float], key: str, digits: int) -> str:
    return f"{row[key]:.{digits}f}" if key in row else "–"
