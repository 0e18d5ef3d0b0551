"""Every screen and dialog as it looks at both sizes, against what it looked like when somebody last found it good.

What is compared is text: what a terminal shows but its colours, so that a change of a screen can be read in a diff. After a
wanted change, write them anew and look at what git says of tests/snapshots/screens:

    pytest --long tests/ui/test_screens.py --new-screens
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from rich.cells import cell_len

from tests.ui.scenes import SCENES
from tests.ui.support import NARROW, WIDE, past_run, recipe, screen_text, until
from tinv_tui.app.app import TinvApp
from tinv_tui.app.machine import Machine, MachineNow
from tinv_tui.runs import memory
from tinv_tui.runs.folder import RunFolder
from tinv_tui.telemetry import room
from tinv_tui.telemetry.gpu import Gpu, GpuProcess, GpuSnapshot
from tinv_tui.telemetry.host import HostSnapshot
from tinv_tui.telemetry.room import Room

GIB = 2**30
FOLDER = Path(__file__).parents[1] / "snapshots" / "screens"
SIZES = {"120x36": WIDE, "80x24": NARROW}
CARD = Gpu(
    index=0,
    name="NVIDIA GeForce RTX 3080",
    uuid="GPU-1",
    utilisation_percent=97,
    memory_used_bytes=int(6.4 * GIB),
    memory_total_bytes=8 * GIB,
    temperature_c=71,
    power_w=302.0,
    power_limit_w=320.0,
    processes=(GpuProcess(7, int(4.1 * GIB), True), GpuProcess(8, int(2.3 * GIB), False)),
)
HOST = HostSnapshot(
    cpu_percent=38.0,
    memory_used_bytes=int(9.1 * GIB),
    memory_total_bytes=32 * GIB,
    disk_free_bytes=211 * GIB,
    load=1.5,
)
Disk = namedtuple("Disk", "total used free")
ROOM = Room(True, "GPU 0 (RTX 3080)", int(5.5 * GIB), 8 * GIB, key="GPU-1")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose name is as long on every machine, in which all is the same: machine, time zone, pictures, runs."""
    folder = Path(tempfile.mkdtemp(prefix="tinv-screens-", dir="/tmp"))
    monkeypatch.setenv("TINV_HOME", str(folder / "home"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(folder)
    time.tzset()
    monkeypatch.setattr(socket, "gethostname", lambda: "elk-03")
    monkeypatch.setattr(room, "room_for_training", lambda: ROOM)
    monkeypatch.setattr(memory, "room_beside_others", lambda: ROOM)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(500 * GIB, 289 * GIB, HOST.disk_free_bytes))
    monkeypatch.setattr(Machine, "look", lambda self, our_pids=(): MachineNow(GpuSnapshot((CARD,), None), HOST))
    pictures = folder / "pictures"
    pictures.mkdir()
    for number, (colour, size) in enumerate((("red", (64, 64)), ("green", (64, 64)), ("blue", (96, 64))), start=1):
        Image.new("RGB", size, colour).save(pictures / f"{number:03}.png")
    (pictures / "001.txt").write_text("a red thing on a table")
    (pictures / "003.txt").write_text("a blue thing")
    yield folder
    shutil.rmtree(folder)
    monkeypatch.undo()
    time.tzset()


def with_previews(run: RunFolder) -> None:
    """Two of one prompt, of steps 100 and 200."""
    with run.events.open("a") as events:
        for step, colour in ((100, "red"), (200, "blue")):
            path = run.images / f"{run.name}-{step}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (64, 64), colour).save(path)
            event = {"kind": "preview", "step": step, "path": str(path), "prompt": f"a {run.name}", "seed": 7}
            events.write(json.dumps({"v": 1, "t": "2026-11-22T09:15:00.000+00:00", **event}) + "\n")


def lasting(text: str, place: Path) -> str:
    """Without what differs from day to day and from machine to machine."""
    text = text.replace(place.name, "tinv-screens-xxxxxxxx")
    shown = "…/tinv_tui/models/bundled/model"
    text = re.sub(r"/\S+/models/bundled/model *", lambda found: shown.ljust(len(found[0])), text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "2026-11-22", text)
    text = re.sub(r"\b\d\d:\d\d:\d\d\b", "09:14:02", text)
    text = re.sub(r"\b\d\d:\d\d\b", "09:14", text)
    text = re.sub(r"\d+(?:\.\d+)?( ?[sd]| min| h| ms) ago", "1 min ago", text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCENES)
async def test_a_screen_looks_as_it_did(name: str, size: str, place: Path, pytestconfig: pytest.Config) -> None:
    if name == "first-run":
        app = TinvApp()
    else:
        for word, rate in (("plork", "0.001"), ("zork", "0.005")):
            run = past_run(
                recipe(place / "pictures", embedding__name=word, training__learning_rate=rate), place / "home"
            )
            if name in ("previews", "compare"):
                with_previews(run)
        app = TinvApp(recipe(place / "pictures"))
    async with app.run_test(size=SIZES[size]) as pilot:
        await SCENES[name](pilot)
        await pilot.pause(0.2)
        await until(pilot, lambda: screen_text(app).strip() != "")  # a dialog that has just come is not painted yet
        shown = screen_text(app)
    found = lasting(shown, place)
    kept = FOLDER / f"{name}-{size}.txt"
    if pytestconfig.getoption("--new-screens"):
        kept.write_text(found, encoding="utf-8")
    columns, rows = SIZES[size]
    assert [cell_len(line) for line in shown.splitlines()] == [columns] * rows
    assert found == kept.read_text(encoding="utf-8")


def test_no_screen_is_kept_that_nobody_takes() -> None:
    assert {path.name for path in FOLDER.glob("*.txt")} == {f"{name}-{size}.txt" for name in SCENES for size in SIZES}
