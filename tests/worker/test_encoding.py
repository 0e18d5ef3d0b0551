"""How pictures become latents: each by itself, in as little memory as there is, and without their files from then on."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.worker.encodings import cache_of, encode, files, kept, vae
from tests.worker.helpers import Onlooker, make_job, recipe, train_here
from tinv_tui.models.bundled import picture_sets
from tinv_tui.runs.events import read_all
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.training.encoding import PictureUnreadable
from tinv_tui.training.loop import train
from tinv_tui.training.reading_ahead import Allowance, read_ahead

__all__ = ["files", "vae"]


def test_without_memory_for_the_whole_picture_it_is_encoded_in_tiles_and_not_kept(
    files: list[Path], vae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files[:1]
    whole = encode(files, vae, size=(320, 192))
    within = vae.encoder.forward

    def short(image: torch.Tensor) -> torch.Tensor:
        if max(image.shape) > 128:
            raise torch.OutOfMemoryError("CUDA out of memory")
        answer: torch.Tensor = within(image)
        return answer

    monkeypatch.setattr(vae.encoder, "forward", short)
    told = list[Path]()
    tiled = encode(files, vae, cache_of(vae), size=(320, 192), tiled=told.append)
    assert (told, kept(), vae.use_tiling) == (files, [], False)
    assert tiled.buckets[0].mean.shape == whole.buckets[0].mean.shape
    difference = (tiled.buckets[0].mean - whole.buckets[0].mean).abs().mean()
    assert 0 < float(difference) < 0.2 * float(whole.buckets[0].mean.abs().mean())


def test_without_memory_for_the_smallest_tiles_either_the_lack_of_it_is_what_is_raised(
    files: list[Path], vae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(image: torch.Tensor) -> torch.Tensor:
        sides.append(max(image.shape))
        raise torch.OutOfMemoryError("CUDA out of memory")

    sides = list[int]()
    monkeypatch.setattr(vae.encoder, "forward", short)
    with pytest.raises(torch.OutOfMemoryError):
        encode(files, vae, size=(320, 192))
    assert (sides, vae.use_tiling) == ([320, 256, 128], False)


def test_a_run_that_encodes_in_tiles_says_so_once_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, path in enumerate(sorted(picture_sets()["chartreuse"].glob("*.png"))[:2]):
        Image.open(path).convert("RGB").resize((160, 160)).save(pictures / f"{i}.png")

    def short(self: Any, image: torch.Tensor) -> torch.Tensor:
        if max(image.shape) > 128:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        answer: torch.Tensor = really(self, image)
        return answer

    from diffusers.models.autoencoders.vae import Encoder

    really = Encoder.forward
    monkeypatch.setattr(Encoder, "forward", short)
    wanted = recipe(training__steps=1, dataset__path=str(pictures), dataset__width=160, dataset__height=160)
    run = make_run(plan_run(wanted, tmp_path))
    assert train_here(run) == 0
    warnings = [event for event in read_all(run.events) if event["kind"] == "warning"]
    assert [event["code"] for event in warnings if event["code"] == "encoding-tiled"] == ["encoding-tiled"]


def test_no_step_needs_the_files_of_the_pictures(tmp_path: Path) -> None:
    """So its time does not depend on how large the photos are: all that is left of them are their latents."""

    pictures = tmp_path / "pictures"
    shutil.copytree(picture_sets()["chartreuse"], pictures)
    job, state = make_job(tmp_path, recipe(dataset__path=str(pictures), training__evaluation_samples=2))
    shutil.rmtree(pictures)
    seen = Onlooker()
    train(job, state, seen)
    assert (state.step, len(seen.results)) == (20, 20)


def test_results_come_in_order_and_only_so_many_are_made_ahead() -> None:
    begun, ahead = list[int](), list[int]()

    def read(item: int) -> int:
        begun.append(item)
        return item * item

    for taken, result in enumerate(read_ahead(range(50), read)):
        assert result == taken * taken
        ahead.append(len(begun) - taken)
    assert sorted(begun) == list(range(50))
    assert max(ahead) <= 8


def test_what_reading_raises_comes_in_its_place_and_ends_the_rest() -> None:
    def read(item: int) -> int:
        if item == 2:
            raise PictureUnreadable("the third")
        return item

    results = read_ahead(range(50), read)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(PictureUnreadable):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


def test_an_encoding_ends_where_progress_raises_and_leaves_no_thread(files: list[Path], vae: Any) -> None:
    class Stop(Exception):
        pass

    def progress(done: int) -> None:
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        encode(files, vae, progress=progress)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


def test_threads_share_what_there_is_and_who_wants_more_gets_it_alone() -> None:
    allowance, lock, held, most = Allowance(10), threading.Lock(), list[int](), list[int]()

    def work(wanted: int) -> None:
        with allowance.hold(wanted):
            with lock:
                held.append(wanted)
                most.append(sum(held))
                if wanted > 10:
                    assert held == [wanted]
            with lock:
                held.remove(wanted)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [3, 4, 5, 20, 6, 1, 30, 2, 9, 10] * 20))
    assert max(amount for amount in most if amount <= 10) <= 10
    assert {amount for amount in most if amount > 10} <= {20, 30}
