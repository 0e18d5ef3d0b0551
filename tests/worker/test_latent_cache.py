"""Latents kept for other runs: the same bytes, known by content, for their user alone, and never trusted blindly."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image

from tests.worker.encodings import PICTURES, VIEW, cache_of, encode, files, folder, kept, same, vae
from tests.worker.helpers import recipe, trained
from tinv_tui import paths, settings
from tinv_tui.runs.events import read_all
from tinv_tui.runs.run import Run
from tinv_tui.training import encoding, latent_cache
from tinv_tui.training.latent_cache import PictureView

__all__ = ["files", "vae"]


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
