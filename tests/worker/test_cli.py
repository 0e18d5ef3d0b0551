"""The command line: its JSON is a contract, its exit codes too.

A command is called in this process where its own is not the matter: each start of Python takes a second.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.worker.helpers import recipe as make
from tinv_tui import paths
from tinv_tui.cli import commands, main
from tinv_tui.models import bundled
from tinv_tui.recipe_file import load_recipe, to_toml
from tinv_tui.runs.folder import all_runs, find_run
from tinv_tui.runs.liveness import state_of

COMMAND = [sys.executable, "-m", "tinv_tui"]


def tinv(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=100)


def called(*arguments: str) -> Result:
    """The command in this process; a run or a job that it starts has its own all the same."""
    return CliRunner().invoke(commands, arguments)


def answer(*arguments: str, code: int = 0) -> dict[str, Any]:
    """The one JSON object a command prints."""
    done = called(*arguments, "--json")
    assert done.exit_code == code, done.output
    content = json.loads(done.stdout)
    assert isinstance(content, dict)
    return content


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(make(training__steps=6)))
    return path


def test_train_headless_says_what_the_contract_names(recipe_file: Path) -> None:
    done = tinv("train", str(recipe_file), "--headless", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert set(said) >= {"run", "name", "state", "steps", "embedding", "loss", "seconds", "steps_per_second"}
    assert (said["state"], said["steps"], said["name"]) == ("finished", 6, "zork")
    assert Path(said["embedding"]).is_file()
    assert Path(said["run"]).is_absolute()

    shown = answer("show", "zork")
    wanted = {"run", "name", "state", "step", "steps", "loss", "learning_rate", "steps_per_second", "eta_seconds"}
    assert set(shown) >= wanted
    assert answer("runs")["runs"] == [shown]

    held = answer("inspect", said["embedding"])
    assert set(held) >= {"path", "format", "name", "family", "vectors", "tensors", "step", "base_model", "norms"}
    assert held["tensors"] == {"emb_params": [1, 64]}
    assert (held["step"], held["family"], held["base_model"]) == (6, "SD1", "bundled")

    again = answer("resume", "zork", "--steps", "8")
    assert (again["steps"], again["state"]) == (8, "finished")
    told = called("tail", "zork", "--no-follow", "--lines", "3").stdout
    assert "finished at step 8" in told


@pytest.mark.long
def test_a_recipe_written_by_a_run_repeats_it(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answer("train", str(recipe_file))
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "other"))
    second = answer("train", str(Path(first["run"]) / "recipe.toml"))
    assert Path(first["embedding"]).read_bytes() == Path(second["embedding"]).read_bytes()


def test_detached_runs_are_steered_by_name(recipe_file: Path) -> None:
    started = answer("train", str(recipe_file), "--set", "training.steps=100000", "--detach")
    assert started["state"] == "starting"
    assert isinstance(started["pid"], int)
    os.kill(started["pid"], 0)
    assert answer("pause", "zork")["ok"]
    assert answer("show", "zork")["state"] == "paused"
    assert answer("unpause", "zork")["ok"]
    assert answer("preview", "zork", "--prompt", "a photo of a zork")["ok"]
    assert answer("save", "zork")["ok"]

    error = answer("set", "zork", "training.learning_rate=0.2", 'saving.formats=["pti"]', code=2)["error"]
    assert error["code"] == "format-misfit"
    assert (
        load_recipe(Path(started["run"]) / "recipe.toml").training.learning_rate == "0.005"
    )  # none of both is in force
    said = answer("set", "zork", "training.learning_rate=0.001:1, 0.2")["message"]
    assert re.search(r"after step \d+: 0\.2 for \d+–100000; rates of 0\.1 and above usually destroy an embedding", said)
    for minutes, is_soon in ((1, True), (0, False)):
        answer("set", "zork", f"training.minutes={minutes}")
        eventually(lambda is_soon=is_soon: (answer("show", "zork")["eta_seconds"] < 61) is is_soon)
    assert answer("stop", "zork")["ok"]
    deadline = time.monotonic() + 20
    while answer("show", "zork")["state"] != "stopped":
        assert time.monotonic() < deadline
    assert answer("stop", "zork", code=2)["error"]["code"] == "run-not-live"


def test_ctrl_c_stops_and_saves_with_exit_code_130(recipe_file: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "train", str(recipe_file), "--set", "training.steps=100000", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _wait_for_step(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    said = json.loads(out)
    assert said["state"] == "stopped"
    assert Path(said["embedding"]).is_file()


def test_term_is_passed_on_to_the_worker(recipe_file: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "train", str(recipe_file), "--set", "training.steps=100000", "--headless"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    _wait_for_step(1)
    process.terminate()
    process.communicate(timeout=60)
    assert state_of(find_run("zork"))[0] == "stopped"


def test_a_command_line_that_is_hung_up_leaves_the_run_going(recipe_file: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "train", str(recipe_file), "--set", "training.steps=100000", "--headless"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    _wait_for_step(1)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    step = answer("show", "zork")["step"]
    _wait_for_step(step + 5)
    assert answer("stop", "zork", "--no-save")["ok"]


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _wait_for_step(step: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        runs = all_runs()
        status = state_of(runs[0])[1] if runs else None
        if status is not None and status.step >= step:
            return
        time.sleep(0.1)
    raise AssertionError("no worker got there")


def test_plan_resolves_and_starts_nothing(recipe_file: Path) -> None:
    guide = ["--set", "training.learning_rate=0.005:500, 0.001:1000, 0.004", "--set", "training.steps=2000"]
    said = answer("plan", str(recipe_file), *guide)
    assert said["schedule"] == [
        {"rate": 0.005, "first": 1, "last": 500},
        {"rate": 0.001, "first": 501, "last": 1500},
        {"rate": 0.004, "first": 1501, "last": 2000},
    ]
    wanted = {"schedule", "prompts", "tokens", "images", "steps_per_epoch", "memory", "estimate", "warnings"}
    assert set(said) >= wanted
    assert said["tokens"] == {"vectors": 1, "left": 74}
    assert said["images"] == 5
    assert said["estimate"]["seconds"] is None
    assert all("zork" in prompt for prompt in said["prompts"])
    assert not paths.home().exists()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("training.steps=0", "training.steps"),
        ("training.stepz=5", "training.steps"),
        ("training.learning_rate=fast", "training.learning_rate"),
        ("dataset.path=/nowhere", "/nowhere"),
        ("model.path=/nowhere/model", "/nowhere/model"),
        ("embedding.name=../../etc/passwd", "embedding.name"),
        ("dataset.template=nothing-like-it", "dataset.template"),
        ("dataset.width=13", "dataset.width"),
    ],
)
def test_wrong_input_is_one_clear_message_exit_code_2_and_nothing_left(
    recipe_file: Path, change: str, names: str
) -> None:
    done = called("train", str(recipe_file), "--set", change, "--headless")
    assert done.exit_code == 2
    assert names in done.stderr
    assert 1 <= len(done.stderr.strip().splitlines()) <= 3
    assert "Traceback" not in done.stderr
    error = answer("train", str(recipe_file), "--set", change, code=2)["error"]
    assert set(error) == {"code", "message", "hint"}
    assert not paths.home().exists()


def test_a_fault_of_input_that_only_the_worker_finds_ends_the_run_failed_with_exit_code_2(
    recipe_file: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken-model"
    shutil.copytree(bundled.FOLDER, broken)
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"not weights at all")
    said = answer("train", str(recipe_file), "--set", f"model.path={broken}", code=2)
    assert said["state"] == "failed"
    assert said["error"]["code"] == "model-broken"
    assert state_of(find_run("zork"))[0] == "failed"


def test_doctor_checks_this_machine_and_trains_on_it() -> None:
    checks = answer("doctor")["checks"]
    assert all(set(check) == {"name", "ok", "message", "hint"} for check in checks)
    assert all(check["ok"] or check["hint"] for check in checks)
    found = {check["name"]: check for check in checks}
    assert {"torch", "driver", "gpu", "memory", "SDXL memory", "home", "file system", "logout", "runs"} <= set(found)
    assert found["self-test"]["ok"]
    assert re.match(r"20 steps on the bundled model on .+: [\d.]+ steps/s, ", found["self-test"]["message"])
    assert all_runs() == []


def test_the_command_line_never_loads_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from tinv_tui.cli import commands;"
        "CliRunner().invoke(commands, ['runs']);"
        "CliRunner().invoke(commands, ['plan', 'x.toml']);"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules), 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_app_is_refused_without_a_terminal() -> None:
    done = tinv()
    assert done.returncode == 2
    assert "terminal" in done.stderr


@pytest.mark.long
def test_a_relative_home_is_that_of_the_command_not_of_the_worker(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINV_HOME", "here")
    done = tinv("train", str(recipe_file), "--headless", "--json", cwd=tmp_path)
    said = json.loads(done.stdout)
    assert said["embedding"] == str(tmp_path / "here" / "embeddings" / "zork.safetensors")
    assert said["run"].startswith(str(tmp_path / "here" / "runs"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["show"],
        ["nonsense"],
        ["train", "x.toml", "--stepz", "3"],
        ["demo", "--steps", "0"],
        ["preprocess", "a", "b", "--caption-action", "burn"],
    ],
)
def test_wrong_usage_is_said_as_json_too(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tinv-tui", *arguments, "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_waiting_and_leaving_at_once_is_refused(recipe_file: Path) -> None:
    assert answer("train", str(recipe_file), "--headless", "--detach", code=2)["error"]["code"] == "wait-or-leave"


@pytest.mark.long
def test_a_run_kept_elsewhere_is_steered_by_its_path(recipe_file: Path, tmp_path: Path) -> None:
    said = answer("train", str(recipe_file), "--set", f"saving.log_directory={tmp_path / 'logs'}", "--headless")
    assert said["run"].startswith(str(tmp_path / "logs"))
    assert answer("show", said["run"])["state"] == "finished"
