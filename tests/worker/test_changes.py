"""Settings changed while a run goes on: taken up at once, and told in its folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.faults import FaultRecord
from tests.worker.faults.support import reached_step
from tests.worker.helpers import recipe, train_here
from tests.worker.test_lifecycle import finish, rows_of, until
from tinv_tui import paths
from tinv_tui.embeddings.files import read_embedding
from tinv_tui.recipe import Recipe
from tinv_tui.recipe_file import load_recipe
from tinv_tui.runs.events import Event, read_all
from tinv_tui.runs.inbox import post_command
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.liveness import read_holder
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run


def train(wanted: Recipe, *sets: tuple[str, object]) -> tuple[Run, list[Event]]:
    """Train in this process; what is to be set lies in the inbox when the first step is done."""
    folder = make_run(plan_run(wanted, Path.cwd()))
    for key, value in sets:
        post_command(folder.inbox, "set", {"key": key, "value": value})
    assert train_here(folder) == 0
    return Run(folder), read_all(folder.events)


def test_a_changed_run_is_repeated_to_the_byte_by_the_recipe_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "changed"))
    run, events = train(
        recipe(training__steps=4),
        ("training.learning_rate", 0.02),
        ("training.steps", "9"),
        ("saving.embedding_every", 6),
        ("training.steps", 1),
        ("embedding.name", "other"),
    )
    changed = [(e["key"], e["old"], e["new"], e["step"]) for e in events if e["kind"] == "changed"]
    assert changed == [
        ("training.learning_rate", "0.005", "0.02", 1),
        ("training.steps", 4, 9, 1),
        ("saving.embedding_every", 0, 6, 1),
    ]
    acks = [e for e in events if e["kind"] == "ack"]
    assert [e["ok"] for e in acks] == [True, True, True, False, False]
    assert "already" in acks[3]["message"]
    assert [float(row["learn_rate"]) for row in rows_of(run)] == [0.005] + [0.02] * 8
    assert (run.folder.copies / "zork-6.safetensors").is_file()
    result = (paths.embeddings_folder() / "zork.safetensors").read_bytes()

    monkeypatch.setenv("TINV_HOME", str(tmp_path / "again"))
    again, _ = train(load_recipe(run.folder.recipe))
    assert (paths.embeddings_folder() / "zork.safetensors").read_bytes() == result
    assert rows_of(again) == rows_of(run)


@pytest.mark.faults
async def test_a_changed_and_killed_run_is_repeated_to_the_byte_by_the_recipe_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: FaultRecord
) -> None:
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "changed"))
    run = await Run.start(recipe(training__steps=100_000, training__batch_size=1))
    await until(run, 5)
    rate = await run.command("set", key="training.learning_rate", value="0.02")
    assert rate["ok"], rate["message"]
    first = next(e for e in read_all(run.folder.events) if e["kind"] == "changed")
    assert (first["key"], first["old"], first["new"]) == ("training.learning_rate", "0.005", "0.02")
    at = first["step"]
    steps = at + 30
    assert (await run.command("set", key="training.steps", value=steps))["ok"]
    assert (await run.command("set", key="saving.embedding_every", value=at + 20))["ok"]
    refused = await run.command("set", key="training.steps", value=1)
    assert not refused["ok"]
    assert "already" in refused["message"]

    await until(run, at + 8)
    holder = read_holder(run.folder.lock)
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    assert run.process is not None
    run.process.wait()
    reached = reached_step(run)
    await run.resume()
    ended = await finish(run)
    assert (ended["state"], ended["step"]) == ("finished", steps)
    assert (run.folder.copies / f"zork-{at + 20}.safetensors").is_file()
    rates = [float(row["learn_rate"]) for row in rows_of(run)]
    assert rates == [0.005] * at + [0.02] * 30

    kept = load_recipe(run.folder.recipe)
    assert kept.training.learning_rate == f"0.005:{at}, 0.02"
    result = paths.embeddings_folder() / "zork.safetensors"
    monkeypatch.setenv("TINV_HOME", str(tmp_path / "again"))
    again = await Run.start(kept)
    await finish(again)
    repeated = paths.embeddings_folder() / "zork.safetensors"
    assert repeated.parent != result.parent
    assert read_embedding(repeated).step == steps
    assert repeated.read_bytes() == result.read_bytes()
    assert rows_of(again) == rows_of(run)
    back_at = [e["from_step"] for e in read_all(run.folder.events) if e["kind"] == "started"][-1]
    fault("kill -9 after live changes", steps_lost=reached - back_at, identical=True)
