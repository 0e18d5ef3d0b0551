"""Runs beside each other on one device: the second is told of the first, and both go on to their end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.helpers import recipe
from tests.worker.test_lifecycle import finish, until
from tinv_tui.runs.events import read_all
from tinv_tui.runs.run import Run
from tinv_tui.runs.sharing import sharers_of


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINV_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


def warnings(run: Run, code: str) -> list[str]:
    return [e["message"] for e in read_all(run.folder.events) if e["kind"] == "warning" and e["code"] == code]


async def test_the_second_run_on_a_device_is_warned_and_both_finish(locks: Path) -> None:
    first = await Run.start(recipe(training__steps=10**6, training__evaluation_samples=0))
    await until(first, 5)
    assert [sharer.run for sharer in sharers_of("cpu")] == [str(first.folder.path)]

    second = await Run.start(recipe(embedding__name="blorp", training__steps=5))
    assert (await finish(second))["state"] == "finished"
    (said,) = warnings(second, "device-shared")
    assert first.process is not None
    assert f"zork (pid {first.process.pid}, " in said
    assert "GiB free" in said
    assert warnings(first, "device-shared") == []

    await first.command("stop")
    assert (await finish(first))["state"] == "stopped"
    assert first.process.wait(60) == 0
    assert list(locks.iterdir()) == []
