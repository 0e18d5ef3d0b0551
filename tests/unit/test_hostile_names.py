"""What files, folders, captions, runs and their events are called is shown by every command, and obeyed by no terminal."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import tinv_tui.cli
from tests.unit.test_families import SD15, make_model
from tinv_tui import paths
from tinv_tui.cli import commands
from tinv_tui.cli.headless import Progress
from tinv_tui.cli.job_line import JobLine
from tinv_tui.cli.preprocessing import _Line
from tinv_tui.embeddings.embedding import Embedding
from tinv_tui.embeddings.files import write_embedding
from tinv_tui.embeddings.formats import FORMATS
from tinv_tui.recipe import make_recipe
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.status import Status, write_status

EVIL = "a\x1b]0;OBEYED\x07\x9b2J\x1b[2Jz"
"""Sets a terminal's title and clears it, in the two ways a sequence can begin."""
TOLD = {"v": 1, "t": "2026-11-22T10:00:00.000+00:00"}
EVENTS: list[dict[str, Any]] = [
    {"kind": "saved", "what": "copy", "step": 1, "path": EVIL},
    {"kind": "preview", "step": 1, "path": EVIL, "prompt": EVIL},
    {"kind": "phase", "name": "waiting", "message": EVIL, "done": 0, "total": 0},
    {"kind": "warning", "message": EVIL},
    {"kind": "note", "message": EVIL},
    {"kind": "ack", "command": EVIL, "message": EVIL},
    {"kind": "started", "device": EVIL, "model": EVIL, "pictures": 2, "from_step": 0, "steps": 9},
    {"kind": EVIL, "of": EVIL},
    {"kind": "step", "loss": EVIL},
    {"kind": "ended", "state": "failed", "step": 1, "reason": f"{EVIL}\n{EVIL}", "hint": EVIL},
]
FEW_VECTORS = np.ones((1, 768), np.float32)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory where all there is is called so: pictures, a recipe, models, embeddings, runs."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    pictures = tmp_path / EVIL
    pictures.mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (number, 9, 9)).save(pictures / f"{EVIL}{number}.png")
        (pictures / f"{EVIL}{number}.txt").write_text(f"a {EVIL} thing")
    for number in range(21):
        (pictures / f"{EVIL}-{number}.jpg").write_bytes(b"")
    (pictures / f"{EVIL}.doc").write_bytes(b"")
    asked = {"embedding": {"name": "zork"}, "dataset": {"path": str(pictures), "template": "subject_filewords"}}
    (tmp_path / "r.toml").write_text(to_toml(make_recipe({"model": {"path": "bundled"}, **asked})))
    (tmp_path / f"{EVIL}.toml").write_text("[")
    make_model(tmp_path / "models" / EVIL, SD15)
    (tmp_path / "models" / f"{EVIL}.ckpt").write_bytes(b"")
    shelf = paths.embeddings_folder()
    shelf.mkdir(parents=True)
    write_embedding(shelf / f"{EVIL}.pt", Embedding(EVIL, {"emb_params": FEW_VECTORS}, 5), FORMATS["pt"])
    (shelf / f"{EVIL}.safetensors").write_bytes(b"")
    for number in range(2):
        make_run(f"{EVIL}{number}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(name: str) -> RunFolder:
    """A run that is lost, and was called otherwise by whoever moved it here."""
    made = create_run_folder(paths.runs_folder(), "cat")
    folder = RunFolder(made.path.rename(made.path.with_name(name)))
    folder.recipe.write_text(to_toml(make_recipe({"preview": {"prompts": [name]}})))
    write_status(folder.status, Status(state="running", name=EVIL, step=3, phase=EVIL, pid=1))
    folder.events.write_text("".join(json.dumps({**TOLD, **event}) + "\n" for event in EVENTS))
    return folder


def nothing_is_obeyed(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    "asked",
    [
        ["plan", "r.toml"],
        ["plan", f"{EVIL}.toml"],
        ["train", "r.toml", "--set", f"model.path={EVIL}"],
        ["check", EVIL],
        ["check", EVIL, "--exclude", f"{EVIL}0.png", "--exclude", "none"],
        ["preprocess", EVIL, f"{EVIL}-out", "--dry-run", "--into-existing"],
        ["runs"],
        ["show", f"{EVIL}0"],
        ["tail", f"{EVIL}0"],
        ["tail", f"{EVIL}0", "--no-follow"],
        ["compare", f"{EVIL}0", f"{EVIL}1", "--csv", f"{EVIL}.csv"],
        ["use", f"{EVIL}0", "best"],
        ["set", f"{EVIL}0", "training.steps=30"],
        ["stop", f"{EVIL}0"],
        ["embeddings"],
        ["inspect", f"home/embeddings/{EVIL}.pt"],
        ["convert", f"home/embeddings/{EVIL}.pt", f"{EVIL}-new.safetensors"],
        ["models", "models"],
        ["models", "models", "--hash"],
        ["models", "--add", f"models/{EVIL}"],
        ["models", "--forget", EVIL],
        ["doctor", "--no-self-test"],
    ],
    ids=lambda asked: " ".join(asked).replace(EVIL, "EVIL"),
)
def test_no_command_hands_on_what_a_terminal_would_obey(asked: list[str], place: Path) -> None:
    told = CliRunner().invoke(commands, asked)
    assert "OBEYED" in told.output
    assert nothing_is_obeyed(told.output)


def skipping() -> None:
    line = _Line()
    line({"skipped": [{"file": EVIL, "reason": EVIL}], "done": 1, "total": 2, "rate": 1.0})
    line.close()


def hashing() -> None:
    line = JobLine()
    line.show({"done": 1, "total": 2, "phase": f"hashing {EVIL}", "unit": "bytes"})
    line.close()


def following() -> None:
    progress = Progress(9)
    for event in EVENTS:
        if event["kind"] != "step":
            progress.show({**TOLD, **event})
    progress.close()


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("tell", [skipping, hashing, following])
def test_a_line_that_renews_itself_has_no_command_but_its_own(
    tell: Callable[[], None], is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    tell()
    said = capsys.readouterr().err
    assert "OBEYED" in said
    assert said.count("\r\x1b[K") > 1 if is_terminal else "\r" not in said
    assert nothing_is_obeyed(said.replace("\r\x1b[K", ""))


def test_an_event_is_one_line_however_many_its_words_have(place: Path) -> None:
    told = CliRunner().invoke(commands, ["tail", f"{EVIL}0", "--no-follow"])
    assert len(told.output.splitlines()) == len(EVENTS)


def test_only_words_of_our_own_are_echoed_as_they_are() -> None:
    found = []
    for module in Path(tinv_tui.cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("click.echo", "click.secho", "print"):
                is_ours = isinstance(node.args[0], ast.Constant)
                found += [] if is_ours or module.name == "output.py" else [f"{module.name}:{node.lineno}"]
    assert found == [], "cli.output.say takes away what a terminal would obey"
