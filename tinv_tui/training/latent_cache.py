"""Encoded pictures on disk, so that no later run encodes the same picture with the same VAE again.

A picture is found by everything that its latents depend on: the bytes of its file, how it is cut and scaled, the weights of
the VAE, the device, and the libraries. What lies there is believed only where name, shape and checksum fit, so that a broken
file costs an encoding and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL
import safetensors.torch
import torch
from torch import Tensor

from tinv_tui.atomic import disk_trouble, write_atomic
from tinv_tui.datasets.buckets import Size

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

_VERSION = 1
"""Of what is computed from a picture here; another number finds nothing of before."""
_LEFT_FREE_BYTES = 2**30
"""Of the disk: a cache must not take the room that a run needs."""
_MOST_BESIDE_NUMBERS = 2**16
"""Bytes of a file beside its tensors."""
_TEMPORARY_SECONDS = 3600.0
"""After which a file that was never finished is nobody's."""


@dataclass(frozen=True)
class EncodedPicture:
    """A picture as the VAE gives it, before scaling. Tensors are fp32; side 1, where there is one, is the mirror image."""

    mean: Tensor
    """[sides, channels, h, w]"""
    deviation: Tensor
    """As ``mean``."""
    weight: Tensor
    """[sides, 1, h, w]: what the picture's opacity makes each cell weigh; on the host."""
    told: tuple[int, ...]
    """The six numbers of ``told_sizes``."""


@dataclass(frozen=True)
class PictureView:
    """How a picture is looked at: its size for training, (width, height), and what else makes its latents."""

    size: Size
    crop: bool
    flip: bool


class LatentCache:
    """A folder of encoded pictures, shared by all runs of a user, of which the longest unused go when it is too large.

    No fault of the disk reaches the run: what cannot be read is not there, and what cannot be written is left out.
    """

    def __init__(self, folder: Path, limit_bytes: int, vae: AutoencoderKL) -> None:
        """``folder`` may not exist yet. Reads the VAE's weights once: a tenth of a second for one of full size."""
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._maker = _identity(vae)
        config = vae.config
        self._channels, self._factor = int(config.latent_channels), 2 ** (len(config.block_out_channels) - 1)
        self._written = list[Path]()
        """By this run."""
        self._takes_more = limit_bytes > 0
        self.taken = 0
        """Pictures that needed no encoding."""

    def key(self, picture_hash: str, view: PictureView) -> str:
        """The name of a picture's latents; ``picture_hash`` is the whole SHA-256 of its file."""
        content = json.dumps([_VERSION, picture_hash, asdict(view), self._maker])
        return hashlib.sha256(content.encode()).hexdigest()

    def find(self, key: str, view: PictureView) -> EncodedPicture | None:
        """What was kept under this name, on the host; None where there is nothing that can be believed."""
        path = self._path(key)
        width, height = view.size
        cells = (height // self._factor, width // self._factor)
        sides = 2 if view.flip else 1
        shapes = {"mean": (sides, self._channels, *cells), "deviation": (sides, self._channels, *cells)}
        shapes |= {"weight": (sides, 1, *cells)}
        numbers = sum(4 * torch.Size(shape).numel() for shape in shapes.values())
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                facts = os.fstat(handle)
                if not stat.S_ISREG(facts.st_mode) or facts.st_size > numbers + _MOST_BESIDE_NUMBERS:
                    return None
                tensors = safetensors.torch.load(file.read())
        except (OSError, ValueError, safetensors.SafetensorError):
            return None
        told, checksum = tensors.pop("told", None), tensors.pop("checksum", None)
        is_whole = {name: tuple(tensor.shape) for name, tensor in tensors.items()} == shapes and all(
            tensor.dtype == torch.float32 for tensor in tensors.values()
        )
        if not is_whole or told is None or checksum is None or told.dtype != torch.int64 or told.shape != (6,):
            return None
        found = EncodedPicture(**tensors, told=tuple(told.tolist()))
        if checksum.dtype != torch.uint8 or bytes(checksum.tolist()) != _checksum(key, found):
            return None
        _touch(path)
        return found

    def keep(self, key: str, encoded: EncodedPicture) -> None:
        """Write a picture's latents, unless they are not finite or the disk has no room to spare."""
        if not self._takes_more:
            return
        encoded = EncodedPicture(encoded.mean.cpu(), encoded.deviation.cpu(), encoded.weight.cpu(), encoded.told)
        if not all(torch.isfinite(tensor).all() for tensor in (encoded.mean, encoded.deviation, encoded.weight)):
            return
        tensors = {name: getattr(encoded, name).contiguous() for name in ("mean", "deviation", "weight")}
        tensors["told"] = torch.tensor(encoded.told, dtype=torch.int64)
        tensors["checksum"] = torch.tensor(list(_checksum(key, encoded)), dtype=torch.uint8)
        try:
            _make_private(self._folder)
            disk = os.statvfs(self._folder)
            if disk.f_blocks and disk.f_bavail * disk.f_frsize < _LEFT_FREE_BYTES:
                self._takes_more = False
                return
            write_atomic(self._path(key), safetensors.torch.save(tensors), durable=False)
            self._written.append(self._path(key))
        except OSError as error:
            if disk_trouble(error) == "full":  # a quota that is used up: the run wants the room for itself
                for path in self._written:
                    _remove(path)
            self._takes_more = False

    def prune(self) -> None:
        """Bring the folder below its limit, the longest unused first. To be called when a run has encoded its pictures."""
        if not self._written:
            return
        found = sorted(self._files(), key=lambda entry: entry.used)
        too_much = sum(entry.size for entry in found) - self._limit_bytes
        now = time.time()
        for entry in found:
            if entry.path.suffix == ".tmp" and now - entry.used > _TEMPORARY_SECONDS:
                _remove(entry.path)
            elif too_much > 0 and entry.path.suffix != ".tmp":
                _remove(entry.path)
                too_much -= entry.size

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def _files(self) -> Iterator[_File]:
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue  # another run has just taken it away
                    if stat.S_ISREG(facts.st_mode) and entry.name.endswith((".safetensors", ".tmp")):
                        yield _File(Path(entry.path), facts.st_size, facts.st_mtime)
        except OSError:
            return


@dataclass(frozen=True)
class _File:
    path: Path
    size: int
    """Bytes."""
    used: float
    """When it was last read or written, in seconds since 1970."""


def _identity(vae: AutoencoderKL) -> list[str]:
    """What latents depend on beside the picture: the encoder to the bit, what computes it, and in which way."""
    digest = hashlib.sha256()
    config: dict[str, Any] = dict(vae.config)
    told = {name: value for name, value in config.items() if not name.startswith("_")}
    digest.update(json.dumps(told, sort_keys=True, default=str).encode())
    for name, tensor in vae.state_dict().items():
        if name.startswith(("encoder.", "quant_conv.")):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().contiguous().view(torch.uint8).cpu().numpy().data)
    import diffusers

    return [
        digest.hexdigest(),
        *_device(vae.device),
        f"deterministic {torch.are_deterministic_algorithms_enabled()}",
        f"torch {torch.__version__}, diffusers {diffusers.__version__}, Pillow {PIL.__version__}",
    ]


def _device(device: torch.device) -> list[str]:
    if device.type == "cuda":
        in_short = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        return [torch.cuda.get_device_name(device), f"tf32 {in_short}", f"cudnn {torch.backends.cudnn.version()}"]
    return [device.type, _processor(), torch.backends.cpu.get_cpu_capability(), f"{torch.get_num_threads()} threads"]


def _processor() -> str:
    """Its name: a home may be shared by machines of several kinds."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as told:
            return next((line.partition(":")[2].strip() for line in told if line.startswith("model name")), "")
    except OSError:
        return platform.processor()


def _checksum(key: str, encoded: EncodedPicture) -> bytes:
    digest = hashlib.sha256(f"{key} {encoded.told}".encode())
    for tensor in (encoded.mean, encoded.deviation, encoded.weight):
        digest.update(tensor.contiguous().numpy().data)
    return digest.digest()


def _make_private(folder: Path) -> None:
    """Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        pass  # a folder that can only be read


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass
