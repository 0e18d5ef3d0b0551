"""``plan --probe``: a few real steps are measured, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.helpers import recipe
from tests.worker.test_cli import answer
from tinv_tui import paths
from tinv_tui.cli.checking import describe_plan
from tinv_tui.errors import InputError
from tinv_tui.recipe_file import to_toml
from tinv_tui.runs.estimates import Probe
from tinv_tui.runs.jobs import run_job
from tinv_tui.runs.plan import plan_run


def test_a_probe_measures_time_and_memory_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    (tmp_path / "r.toml").write_text(to_toml(recipe(training__steps=4000, training__learning_rate="0.005:500, 0.001")))
    told = answer("plan", str(tmp_path / "r.toml"), "--probe")
    probe = told["probe"]
    assert 0 < probe["seconds_per_step"] < 5
    assert probe["load_seconds"] > 0
    assert probe["encode_seconds"] > 0
    assert told["estimate"]["basis"].startswith("probed on cpu")
    assert told["estimate"]["seconds"] > 4000 * probe["seconds_per_step"]
    assert 100e6 < told["memory"]["peak_bytes"] == probe["peak_bytes"] < 4e9
    assert told["memory"]["measured"] is True
    assert len(told["schedule"]) == 2
    assert not paths.home().exists()
    assert list(scratch.glob("tinv-*")) == []  # torch makes an empty folder of its own there


async def test_a_probe_of_a_recipe_that_cannot_run_is_an_input_error(tmp_path: Path) -> None:
    wanted = plan_run(recipe(), tmp_path).recipe.model_dump(mode="json")
    wanted["dataset"]["path"] = str(tmp_path / "gone")
    with pytest.raises(InputError) as caught:
        await run_job("probe", recipe=wanted)
    assert caught.value.code == "dataset-missing"


def test_the_estimate_counts_loading_every_picture_and_every_step(tmp_path: Path) -> None:
    made = plan_run(recipe(training__steps=1000), tmp_path)
    probe = Probe(
        seconds_per_step=0.5, steps=15, load_seconds=7.0, encode_seconds=2.0, peak_bytes=5 * 2**30, device="X"
    )
    assert describe_plan(made, probe)["estimate"]["seconds"] == 7.0 + 2.0 * len(made.pictures) + 500.0
