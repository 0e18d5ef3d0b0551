"""Pictures are encoded while the UNet is still being read: to the same bits, and before it where memory is short."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worker.helpers import CPU, recipe, train_here
from tinv_tui.errors import InputError
from tinv_tui.models.bundled import picture_sets
from tinv_tui.models.identify import identify
from tinv_tui.models.loading import LoadedModel
from tinv_tui.models.memory_plan import WHOLE, MemoryPlan
from tinv_tui.recipe import Recipe
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder
from tinv_tui.runs.frozen_dataset import FrozenDataset
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.status import Status
from tinv_tui.worker import encoding, session
from tinv_tui.worker.disk_room import DiskRoom
from tinv_tui.worker.early import EarlyDesk, EndedEarly
from tinv_tui.worker.encoding import PictureEncoding
from tinv_tui.worker.reporter import Reporter
from tinv_tui.worker.session import run_session
from tinv_tui.worker.setup import CheckpointFiles, encode, load
from tinv_tui.worker.signals import Signals

VaeThere = Callable[[Any], None]
SHORT = MemoryPlan(text_in_16_bits=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(recipe(), identify("bundled", tmp_path_factory.mktemp("model")), CPU)


class Life:
    """A run that is about to load its model; ``load`` of a test says what that does."""

    def __init__(self, wanted: Recipe) -> None:
        plan = plan_run(wanted, Path.cwd())
        self.recipe, self.dataset = plan.recipe, FrozenDataset.of(plan)
        self.folder = make_run(plan)
        self.folder.checkpoint.mkdir(exist_ok=True)
        self.files = CheckpointFiles(self.folder.checkpoint)
        self.signals = Signals()
        self.reporter = Reporter(self.folder, Status(name="zork", phase="loading", pid=os.getpid()))
        early = EarlyDesk(self.folder, self.signals, self.reporter)
        self.room = DiskRoom(self.folder.path, self.reporter, early.ends)
        self.encoding = PictureEncoding(self.recipe, self.dataset, self.files, self.reporter, early)

    def told(self) -> list[tuple[str, int]]:
        """Of encoding and of the test's own notes, in order."""
        self.reporter.flush()
        events = read_all(self.folder.events)
        return [(e["name"], e["done"]) for e in events if e["kind"] == "phase"]


@pytest.fixture
def life() -> Iterator[Life]:
    made = Life(recipe())
    yield made
    made.encoding.abandon()
    made.reporter.close("stopped", "")


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_encoding() -> bool:
    return any(thread.name == "encoding" for thread in threading.enumerate())


def test_pictures_are_encoded_before_the_model_is_whole_and_to_the_same_bits(life: Life, model: LoadedModel) -> None:
    def load(*, vae_there: VaeThere) -> LoadedModel:
        vae_there(model.vae)
        until(lambda: not is_encoding())
        return model

    assert life.encoding.beside(load, WHOLE) is model
    assert not life.files.latents.exists()
    life.encoding.latents(model, life.room)
    beside = life.files.latents.read_bytes()
    encode(life.recipe, life.dataset, model.vae).save(life.files.latents)
    assert beside == life.files.latents.read_bytes()
    assert life.told() == [("encoding", len(life.dataset.files))]


def test_it_computes_with_as_many_threads_as_the_run_does(
    life: Life, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, before = list[int](), torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    life.encoding.latents(model, life.room)
    assert seen == [before]


def test_where_memory_is_short_all_pictures_are_encoded_before_the_unet_comes(life: Life, model: LoadedModel) -> None:
    def load(*, vae_there: VaeThere) -> LoadedModel:
        vae_there(model.vae)
        assert not is_encoding()
        life.reporter.tell("phase", name="UNet", done=0, total=1)
        assert life.reporter.status.phase == "loading"
        return model

    life.encoding.beside(load, SHORT)
    assert life.told()[-2:] == [("encoding", len(life.dataset.files)), ("UNet", 0)]


def test_a_unet_without_room_beside_the_encoding_is_read_after_it(life: Life, model: LoadedModel) -> None:
    tries = list[bool]()

    def load(*, vae_there: VaeThere) -> LoadedModel:
        vae_there(model.vae)
        tries.append(is_encoding())
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return model

    assert life.encoding.beside(load, WHOLE) is model
    assert tries == [True, False]


def test_a_unet_without_room_at_all_is_a_lack_of_memory(life: Life, model: LoadedModel) -> None:
    def load(*, vae_there: VaeThere) -> LoadedModel:
        vae_there(model.vae)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        life.encoding.beside(load, WHOLE)
    assert life.reporter.status.phase == "loading"


def test_a_broken_picture_ends_the_loading(tmp_path: Path, model: LoadedModel) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(picture_sets()["chartreuse"], pictures)
    life = Life(recipe(dataset__path=str(pictures)))
    broken = sorted(pictures.glob("*.png"))[1]  # since it was looked at
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])

    def load(*, vae_there: VaeThere) -> LoadedModel:
        vae_there(model.vae)
        until(lambda: not is_encoding())
        life.encoding.look()
        raise AssertionError("nobody wants the UNet any more")

    with pytest.raises(InputError, match=broken.name) as raised:
        life.encoding.beside(load, WHOLE)
    assert raised.value.code == "picture-unreadable"
    life.reporter.close("failed", "")


@pytest.mark.parametrize("plan", [WHOLE, SHORT])
def test_a_stop_is_obeyed_while_a_picture_is_encoded(
    plan: MemoryPlan, life: Life, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, more = threading.Event(), list[str]()

    def slowly(*arguments: Any) -> Any:
        progress = arguments[3]
        life.signals.stop.set()
        go_on.wait(30)
        progress(1, 2)
        more.append("nobody wants another picture")

    monkeypatch.setattr(encoding, "encode", slowly)

    def load(*, vae_there: VaeThere) -> LoadedModel:
        vae_there(model.vae)
        return model

    def live() -> None:
        life.encoding.beside(load, plan)
        life.encoding.latents(model, life.room)

    with pytest.raises(EndedEarly):
        live()
    assert is_encoding()  # the end can be told already
    threading.Timer(0.05, go_on.set).start()
    life.encoding.abandon()
    assert not is_encoding()
    assert not more


def test_a_run_that_is_stopped_while_it_loads_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    folder, signals = make_run(plan_run(recipe(), Path.cwd())), Signals()

    def load_and_stop(*arguments: Any, vae_there: VaeThere, **more: Any) -> LoadedModel:
        def stop(vae: Any) -> None:
            vae_there(vae)
            signals.stop.set()

        return load(*arguments, vae_there=stop, **more)

    monkeypatch.setattr(session, "load", load_and_stop)
    monkeypatch.setattr(encoding, "encode", lambda *_: time.sleep(0.5))
    reporter = Reporter(folder, Status(name=folder.name, phase="loading", pid=os.getpid()))
    assert run_session(folder, signals, reporter) == 0
    assert read_all(folder.events)[-1]["state"] == "stopped"
    assert not is_encoding()


def test_a_run_tells_its_phases_in_order() -> None:
    folder: RunFolder = make_run(plan_run(recipe(training__steps=1), Path.cwd()))
    assert train_here(folder) == 0
    told = [e for e in read_all(folder.events) if e["kind"] == "phase"]
    assert list(dict.fromkeys(e["name"] for e in told)) == ["loading", "encoding", "training"]
    encoded = [e for e in told if e["name"] == "encoding"]
    assert encoded[-1]["done"] == encoded[-1]["total"]
