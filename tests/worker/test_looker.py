"""The process that looks through a dataset's pixels for the app: real ones, asked, left, killed and forgotten."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tinv_tui.app import closer_look
from tinv_tui.app.closer_look import Looker, look_closer
from tinv_tui.datasets.checks import CheckSettings, check_dataset, usable
from tinv_tui.datasets.closer_look import CloserLook, Traits
from tinv_tui.datasets.looking import look_through
from tinv_tui.datasets.pictures import list_pictures
from tinv_tui.interpreter import PYTHON

SIDE = 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    chance = np.random.default_rng(3)
    for number in range(4):
        pixels = chance.integers(0, 255, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(made / f"{number}.png")
        Image.fromarray(pixels[:, ::-1].copy()).save(made / f"{number}-mirrored.png")
    (made / "cut short.png").write_bytes((made / "0.png").read_bytes()[:2000])
    return made


@pytest.fixture
def looker() -> Iterator[Looker]:
    made = Looker()
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def files(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir())]


def test_it_tells_what_looking_here_tells(folder: Path, looker: Looker) -> None:
    here = look_through([Path(file) for file in files(folder)], SIDE)
    assert len(here.mirrored) == 4
    assert sum(isinstance(traits, str) for traits in here.traits) == 1
    there = looker.look(files(folder), SIDE, threading.Event(), lambda done, total: None)
    assert CloserLook.from_json(there) == here


async def test_all_that_is_wrong_is_told(folder: Path) -> None:
    entries = list_pictures(folder)
    paths = [entry.path for entry in usable(entries)]
    seen = await look_closer(paths, SIDE, lambda words: None)
    told = check_dataset(entries, CheckSettings(SIDE, SIDE), seen.look)
    assert {"mirror-image", "unreadable", "too-few"} <= {finding.code for finding in told}
    assert await look_closer(paths, SIDE, lambda words: None, seen) is seen
    (folder / "cut short.png").write_bytes((folder / "1.png").read_bytes())
    again = await look_closer(paths, SIDE, lambda words: None, seen)
    assert all(isinstance(traits, Traits) for traits in again.look.traits)


async def test_nothing_is_started_where_there_is_nothing_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Looker()
    monkeypatch.setattr(closer_look, "looker", made)
    seen = await look_closer([], SIDE, lambda words: None)
    assert [finding.code for finding in check_dataset([], CheckSettings(SIDE, SIDE), seen.look)] == ["dataset-empty"]
    assert made.process is None


def test_a_look_that_is_left_ends_soon_and_the_next_is_answered_by_the_same_process(
    folder: Path, looker: Looker
) -> None:
    left, ended = threading.Event(), threading.Event()

    def first() -> None:
        with pytest.raises(closer_look.Left):
            looker.look(files(folder) * 5000, SIDE, left, lambda done, total: began.set())
        ended.set()

    began = threading.Event()
    threading.Thread(target=first).start()
    assert began.wait(30)
    looker.leave(left)
    again = looker.look(files(folder), SIDE, threading.Event(), lambda done, total: None)
    assert ended.is_set()
    assert len(again["traits"]) == 9
    process = looker.process
    looker.leave(left)  # late, and no other's look
    looker.look(files(folder), SIDE, threading.Event(), lambda done, total: None)
    assert looker.process is process


def test_a_look_that_is_left_before_it_is_begun_keeps_nobody_waiting(folder: Path, looker: Looker) -> None:
    outcomes = list[str]()

    def first(left: threading.Event) -> None:
        with pytest.raises(closer_look.Left):
            looker.look(files(folder), SIDE, left, lambda done, total: None)
        outcomes.append("left")

    threads = []
    for _ in range(3):  # the process is still being started: nothing is begun before the last is asked for
        left = threading.Event()
        threads.append(threading.Thread(target=first, args=(left,)))
        threads[-1].start()
        while looker._asking is not left and looker._asking is not None:
            time.sleep(0.001)
        time.sleep(0.01)
        looker.leave(left)
    began = looker.process
    again = looker.look(files(folder), SIDE, threading.Event(), lambda done, total: None)
    assert len(again["traits"]) == 9
    assert looker.process is began  # nobody had to end it
    for thread in threads:
        thread.join(10)
    assert outcomes == ["left"] * 3


def test_an_app_that_leaves_waits_for_no_look(folder: Path, looker: Looker) -> None:
    began, ended = threading.Event(), threading.Event()

    def look() -> None:
        with pytest.raises(closer_look.Left):
            looker.look(files(folder) * 5000, SIDE, threading.Event(), lambda done, total: began.set())
        ended.set()

    threading.Thread(target=look).start()
    assert began.wait(30)
    assert looker.process is not None
    looker.process.send_signal(signal.SIGSTOP)
    looker.end()
    assert ended.wait(10)


def test_one_that_has_ended_meanwhile_is_started_anew(folder: Path, looker: Looker) -> None:
    looker.look(files(folder), SIDE, threading.Event(), lambda done, total: None)
    first = looker.process
    assert first is not None
    first.kill()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(first.pid):  # no zombie stays, though nobody asked
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(looker.look(files(folder), SIDE, threading.Event(), lambda done, total: None)["traits"]) == 9
    assert looker.process is not first


def test_one_that_is_stuck_in_a_picture_is_ended_for_the_next_look(
    folder: Path, looker: Looker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closer_look, "PATIENCE_SECONDS", 0.5)
    left, began, ended = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with pytest.raises(closer_look.Left):
            looker.look(files(folder) * 5000, SIDE, left, lambda done, total: began.set())
        ended.set()

    threading.Thread(target=first).start()
    assert began.wait(30)
    stuck = looker.process
    assert stuck is not None
    stuck.send_signal(signal.SIGSTOP)
    looker.leave(left)
    assert len(looker.look(files(folder), SIDE, threading.Event(), lambda done, total: None)["traits"]) == 9
    assert ended.wait(10)
    assert looker.process is not stuck


def test_it_ends_with_the_one_that_asks_also_in_the_middle_of_a_look(folder: Path) -> None:
    process = subprocess.Popen(
        [*PYTHON, "-m", "tinv_tui.worker.looker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"paths": files(folder) * 5000, "side": SIDE}) + "\n")
    process.stdin.flush()
    assert "done" in json.loads(process.stdout.readline())
    process.stdin.close()  # and it is not asked how it ends: it may be caught in a picture
    assert process.wait(timeout=20) == 0


def test_it_ends_when_nobody_asks_for_a_while() -> None:
    code = "import tinv_tui.worker.looker as looker; looker._IDLE_SECONDS = 0.3; looker.main()"
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.wait(timeout=60) == 0
    assert time.monotonic() - began >= 0.3
