"""The benchmark as people run it: real processes, on the bundled model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tinv_tui.runs.benchmark import DIFFUSERS, Case, Way, measure
from tinv_tui.runs.jobs import JobBroken

BENCH = [sys.executable, "-m", "tinv_tui", "bench"]


def bench(*options: str, code: int = 0) -> str:
    done = subprocess.run([*BENCH, *options], capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_our_engine_and_its_smallest_plan_are_measured_beside_the_usual_loop() -> None:
    (case,) = json.loads(bench("--steps", "4", "--batch", "2", "--least-memory", "--json"))["cases"]
    assert [case[key] for key in ("model", "size", "batch", "precision")] == ["bundled", 64, 2, "fp32"]
    ours, least, plain = case["results"]
    assert [way["way"] for way in case["results"]] == ["tinv-tui", "tinv-tui least memory", "plain loop"]
    for result in case["results"]:
        assert result["seconds_per_step"] == pytest.approx(1 / result["steps_per_second"])
        assert 0 < result["seconds_per_step"] < result["first_step_seconds"]
        assert result["peak_bytes"] > 2**26
    assert all(plain["phases"][part] > 0 for part in ("VAE", "UNet", "backward"))
    assert ours["phases"]["forward and backward"] > 0  # played back: no part of it is called
    assert "VAE" not in ours["phases"]
    assert ours["ratios"]["plain loop"]["speed"] == pytest.approx(plain["seconds_per_step"] / ours["seconds_per_step"])
    assert plain["ratios"] == {}
    assert ours["computing"].startswith("computing in fp32, ")
    assert ours["plan"] == ""
    assert "2 in 2 parts" in least["plan"]
    assert "gradient checkpointing" in least["plan"]


def test_a_script_that_is_not_there_is_said_before_anything_is_measured() -> None:
    said = json.loads(bench("--diffusers", "/nowhere/textual_inversion.py", "--json", code=2))
    assert said["error"]["code"] == "script-missing"


async def test_a_way_that_breaks_is_told_and_the_others_are_measured(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise RuntimeError('it takes 90 GiB')")
    ways = [Way("tinv-tui", "auto"), Way(DIFFUSERS, script=script)]
    ours, theirs = await measure(Case("bundled", 64, 1, "fp32", 64), ways, 2, 1, lambda _: None, lambda *_: None)
    assert ours["seconds_per_step"] > 0
    assert theirs["way"] == "diffusers"
    assert "it takes 90 GiB" in theirs["error"]
    with pytest.raises(JobBroken, match="it takes 90 GiB"):
        await measure(Case("bundled", 64, 1, "fp32", 64), ways[1:], 2, 1, lambda _: None, lambda *_: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_memory_of_a_gpu_that_is_not_there_cannot_be_capped() -> None:
    said = json.loads(bench("--memory", "4", "--no-plain", "--json", code=2))
    assert said["error"]["code"] == "bench-memory"


def test_what_was_measured_is_said_before_the_rest_is_so_that_an_ended_bench_was_not_for_nothing() -> None:
    with subprocess.Popen(
        [*BENCH, "--steps", "4", "--rounds", "50", "--json"], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        said = next(line for line in running.stderr if "ms/step" in line)
        running.send_signal(signal.SIGINT)
        running.wait(30)
    assert re.fullmatch(r"tinv-tui: \d+\.\d ms/step, peak \d+\.\d\d GiB", said.strip())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_however_a_bench_is_ended_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [*BENCH, "--steps", "4", "--rounds", "50"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as running:
        assert running.stderr is not None
        next(line for line in running.stderr if "training" in line or "ms/step" in line)
        assert list(tmp_path.glob("tinv-bench-*"))
        running.send_signal(number)
        assert running.wait(30) == 130
    assert not list(tmp_path.glob("tinv-bench-*"))
