"""README says what is: its keys are those of the key table, its commands those of the command line."""

from __future__ import annotations

import re
from pathlib import Path

from tinv_tui.app.keys import DIALOGS, KEYS
from tinv_tui.cli import commands

README = Path(__file__).parents[2] / "README.md"


def key_table() -> str:
    rows = [f"| {' '.join(f'`{name}`' for name in key.names)} | {key.help} |" for key in KEYS]
    in_dialogs = [
        f"| {dialog.title if key is dialog.keys[0] else ''} | {' '.join(f'`{name}`' for name in key.names)} | {key.help} |"
        for dialog in DIALOGS
        for key in dialog.keys
    ]
    return "\n".join(
        ["| key | |", "|---|---|", *rows, "", "In dialogs:", "", "| dialog | key | |", "|---|---|---|", *in_dialogs]
    )


def test_the_keys_are_those_of_the_key_table() -> None:
    found = re.search(r"<!-- keys -->\n(.*?)\n<!-- /keys -->", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found[1] == key_table()


def test_every_command_is_named() -> None:
    text = README.read_text(encoding="utf-8")
    for name in commands.list_commands(None):  # type: ignore[arg-type]
        assert re.search(rf"`[^`\n]*\b{name}\b", text), name


def test_every_file_it_points_to_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target
