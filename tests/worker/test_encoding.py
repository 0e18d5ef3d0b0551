"""How pictures become latents: once, each by itself, never again by another run, and without their files from then on."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from tests.worker.helpers import CPU, Onlooker, make_job, recipe, train_here, trained
from tinv_tui import paths, settings
from tinv_tui.models.bundled import picture_sets
from tinv_tui.models.identify import identify
from tinv_tui.runs.events import read_all
from tinv_tui.runs.launch import make_run
from tinv_tui.runs.plan import plan_run
from tinv_tui.runs.run import Run
from tinv_tui.training import encoding, latent_cache
from tinv_tui.training.encoding import PictureUnreadable, encode_pictures
from tinv_tui.training.latent_cache import LatentCache, PictureView
from tinv_tui.training.latents import LatentStore
from tinv_tui.training.loop import train
from tinv_tui.training.reading_ahead import Allowance, read_ahead
from tinv_tui.worker.setup import load

VIEW = PictureView((64, 64), crop=True, flip=False)
PICTURES = 4


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(recipe(), identify("bundled", tmp_path_factory.mktemp("model")), CPU).vae


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Pictures of their own colours, the last half transparent."""
    chance = np.random.default_rng(5)
    found = [tmp_path / f"{i}.png" for i in range(PICTURES)]
    for path in found:
        Image.fromarray(chance.integers(0, 255, (80, 70, 3), dtype=np.uint8)).save(path)
    alpha = np.full((80, 70), 255, dtype=np.uint8)
    alpha[:40] = 0
    last = Image.open(found[-1]).convert("RGB")
    last.putalpha(Image.fromarray(alpha))
    last.save(found[-1])
    return found


def folder() -> Path:
    return paths.latent_cache_folder()


def cache_of(vae: Any, limit: int = 2**30) -> LatentCache:
    return LatentCache(folder(), limit, vae)


def encode(files: list[Path], vae: Any, cache: LatentCache | None = None, **changes: Any) -> LatentStore:
    options: dict[str, Any] = {"crop": True, "flip": False, "alpha_as_weight": False, "sampling": "deterministic"}
    options |= {"seed": 7, "progress": lambda done: None, "cache": cache} | changes
    size = options.pop("size", (64, 64))
    return encode_pictures(files, {size: list(range(len(files)))}, vae, **options)


def same(one: LatentStore, other: LatentStore) -> bool:
    def tensors(store: LatentStore) -> Iterator[torch.Tensor | None]:
        for bucket in store.buckets:
            yield from (bucket.mean, bucket.deviation, bucket.weight, bucket.sizes)

    pairs = list(zip(tensors(one), tensors(other), strict=True))
    return all(a is b is None or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs)


def kept() -> list[Path]:
    return sorted(folder().glob("*.safetensors"))


@pytest.mark.parametrize("sampling", ["deterministic", "once", "random"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("alpha_as_weight", [False, True])
def test_latents_from_the_cache_are_those_of_an_encoding(
    sampling: str, flip: bool, alpha_as_weight: bool, files: list[Path], vae: Any
) -> None:
    options = {"sampling": sampling, "flip": flip, "alpha_as_weight": alpha_as_weight}
    without, filling, filled = encode(files, vae, **options), cache_of(vae), cache_of(vae)
    encode(files, vae, filling, flip=flip)
    assert same(encode(files, vae, filled, **options), without)
    assert (filling.taken, filled.taken, len(kept())) == (0, PICTURES, PICTURES)
    weights = without.buckets[0].weight
    assert torch.equal(weights[:-1], torch.ones_like(weights[:-1]))
    assert torch.equal(weights[-1], torch.ones_like(weights[-1])) is not alpha_as_weight


def test_a_run_that_encodes_nothing_ends_in_the_same_bytes() -> None:
    wanted = recipe(training__steps=3, dataset__flip=True, dataset__latent_sampling="random")
    pictures = len(list(Path(wanted.dataset.path).glob("*.png")))

    def bytes_of(run: Run) -> list[bytes]:
        latents = run.folder.checkpoint / "latents.safetensors"
        result = safetensors.torch.load_file(paths.embeddings_folder() / f"{run.folder.name}.safetensors")
        return [latents.read_bytes(), run.folder.losses.read_bytes(), result["emb_params"].numpy().tobytes()]

    def cached(run: Run) -> int | None:
        told = [e for e in read_all(run.folder.events) if e["kind"] == "phase" and e["name"] == "encoding"]
        assert told[-1]["done"] == told[-1]["total"] == pictures
        return told[-1].get("cached")

    first, second = trained(wanted), trained(wanted)
    settings.settings_file().write_text("[cache]\nlatents_gib = 0\n")
    without = trained(wanted)
    assert [cached(run) for run in (first, second, without)] == [0, pictures, None]
    assert bytes_of(first) == bytes_of(second) == bytes_of(without)


def test_what_is_kept_is_its_users_alone(files: list[Path], vae: Any) -> None:
    before = os.umask(0)
    try:
        encode(files, vae, cache_of(vae))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder().stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept()} == {0o600}


def test_another_picture_view_vae_or_way_to_compute_is_another_name(vae: Any) -> None:
    picture, other = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    cache, threads = cache_of(vae), torch.get_num_threads()
    names = [cache.key(picture, VIEW), cache.key(other, VIEW)]
    views = [PictureView((64, 48), True, False), PictureView((64, 64), False, False), PictureView((64, 64), True, True)]
    names += [cache.key(picture, view) for view in views]
    weight = vae.encoder.conv_in.weight
    try:
        weight.data.view(-1)[0] += 1e-6
        names.append(cache_of(vae).key(picture, VIEW))
        weight.data.view(-1)[0] -= 1e-6
        torch.set_num_threads(threads + 1)
        names.append(cache_of(vae).key(picture, VIEW))
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True)
        names.append(cache_of(vae).key(picture, VIEW))
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
    assert len(set(names)) == len(names)
    assert cache_of(vae).key(picture, VIEW) == names[0]


def test_a_picture_is_known_by_its_content_not_by_its_name_or_time(files: list[Path], vae: Any) -> None:
    encode(files, vae, cache_of(vae))
    for path in files:
        os.utime(path, (1, 1))
    moved = [path.rename(path.with_name(f"moved-{path.name}")) for path in files]
    cache = cache_of(vae)
    encode(moved, vae, cache)
    assert cache.taken == PICTURES
    Image.open(moved[0]).rotate(90).save(moved[0])
    cache = cache_of(vae)
    assert same(encode(moved, vae, cache), encode(moved, vae))
    assert cache.taken == PICTURES - 1


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


def _not_finite(path: Path) -> None:
    tensors = safetensors.torch.load(path.read_bytes())
    tensors["mean"][0, 0, 0, 0] = float("nan")
    path.write_bytes(safetensors.torch.save(tensors))


def _of_another_shape(path: Path) -> None:
    tensors = safetensors.torch.load(path.read_bytes())
    tensors["mean"] = tensors["mean"].flatten()
    path.write_bytes(safetensors.torch.save(tensors))


def _half_precision(path: Path) -> None:
    tensors = safetensors.torch.load(path.read_bytes())
    path.write_bytes(safetensors.torch.save(tensors | {"mean": tensors["mean"].half()}))


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _a_link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


BREAK: list[Callable[[Path], object]] = [
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\x80\x04" + os.urandom(100)),
    lambda path: path.write_bytes(bytes(path.stat().st_size)),
    lambda path: path.write_bytes(path.read_bytes() + bytes(2**20)),
    lambda path: shutil.copy(next(p for p in kept() if p != path), path),
    lambda path: path.write_bytes(safetensors.torch.save({"x": torch.zeros(1)})),
    _flip_a_bit, _not_finite, _of_another_shape, _half_precision, _a_pipe, _a_link,
]  # fmt: skip


@pytest.mark.parametrize("broken", BREAK)
def test_what_is_broken_or_foreign_is_encoded_again_and_written_anew(
    broken: Callable[[Path], object], files: list[Path], vae: Any
) -> None:
    right = encode(files, vae, cache_of(vae))
    broken(kept()[0])
    cache = cache_of(vae)
    assert same(encode(files, vae, cache), right)
    assert cache.taken == PICTURES - 1
    cache = cache_of(vae)
    encode(files, vae, cache)
    assert cache.taken == PICTURES


def test_the_longest_unused_goes_first_when_there_is_too_much(files: list[Path], vae: Any) -> None:
    encode(files[:3], vae, cache_of(vae))
    size = kept()[0].stat().st_size
    first, second, third = (_path(vae, path) for path in files[:3])
    for age, path in ((300, first), (200, second), (100, third)):
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    encode(files[:1], vae, cache_of(vae))  # used again, and so the newest
    encode(files[3:], vae, cache_of(vae, limit=3 * size))
    assert kept() == sorted([first, third, _path(vae, files[3])])


def _path(vae: Any, picture: Path) -> Path:
    return folder() / f"{cache_of(vae).key(hashlib.sha256(picture.read_bytes()).hexdigest(), VIEW)}.safetensors"


def test_what_a_killed_run_left_half_written_goes_too(files: list[Path], vae: Any) -> None:
    folder().mkdir(parents=True)
    old, new = folder() / ".a.tmp", folder() / ".b.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    encode(files, vae, cache_of(vae))
    assert (old.exists(), new.exists()) == (False, True)


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_cache(files: list[Path], vae: Any) -> None:
    folder().parent.mkdir(parents=True)
    folder().write_text("in the way")
    assert same(encode(files, vae, cache_of(vae)), encode(files, vae))


def test_a_quota_that_is_used_up_is_left_to_the_run(
    files: list[Path], vae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = latent_cache.write_atomic, list[Path]()

    def write_some(path: Path, content: bytes, *, durable: bool) -> None:
        if len(written) == 2:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        written.append(path)
        write(path, content, durable=durable)

    monkeypatch.setattr(latent_cache, "write_atomic", write_some)
    assert same(encode(files, vae, cache_of(vae)), encode(files, vae))
    assert (len(written), kept()) == (2, [])


def test_several_runs_may_share_it_at_the_same_moment(files: list[Path], vae: Any) -> None:
    encode(files[:1], vae, cache_of(vae))
    size, right = kept()[0].stat().st_size, encode(files, vae)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: encode(files, vae, cache_of(vae, limit=2 * size)), range(8))
        assert all(same(store, right) for store in found)
    assert not list(folder().glob("*.tmp"))


def test_a_picture_that_is_replaced_while_it_is_read_is_not_kept(
    files: list[Path], vae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = encoding.load_for_training

    def meanwhile(path: Path, size: tuple[int, int], *, crop: bool) -> Any:
        if path == files[1]:
            shutil.copy(files[2], files[1])
        return really(path, size, crop=crop)

    monkeypatch.setattr(encoding, "load_for_training", meanwhile)
    encode(files, vae, cache_of(vae))
    assert len(kept()) == PICTURES - 1


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
