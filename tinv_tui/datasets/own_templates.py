"""The user's own templates: copies of others in TINV_HOME/templates, checked before they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinv_tui import paths
from tinv_tui.atomic import write_atomic
from tinv_tui.datasets.templates import check_lines
from tinv_tui.errors import InputError, why_unreadable


@dataclass(frozen=True)
class OwnTemplate:
    """A template to edit. ``path`` is where it is kept; ``is_new`` while only the one it is a copy of exists."""

    name: str
    path: Path
    text: str
    is_new: bool


def open_own(name_or_path: str, beside: Path) -> OwnTemplate:
    """The user's template of that name, or a copy-to-be of the one a recipe names. Raises InputError.

    A shipped template, and any file, is copied under its own name, which then stands for the copy.
    """
    source = paths.find_template(name_or_path, beside)
    target = paths.own_templates_folder() / f"{source.stem}.txt"
    is_new = not target.exists()
    if not is_new:
        source = target
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "template-unreadable", f"dataset.template: {source}: {why_unreadable(error)}", "Give a UTF-8 text file."
        ) from None
    return OwnTemplate(target.stem, target, text, is_new)


def save_own(template: OwnTemplate, text: str) -> None:
    """Write a template that holds. Raises InputError, the file left as it was, when it does not or cannot be written."""
    check_lines(text, template.path)
    try:
        template.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(template.path, text if text.endswith("\n") else f"{text}\n")
    except OSError as error:
        raise InputError(
            "template-unwritable", f"dataset.template: {error}", "Check the folder's permissions."
        ) from None
