"""``python -m tinv_tui.worker.bench.peer SCRIPT RESULT …``: another trainer's script as it is, timed from outside.

The script is diffusers' ``textual_inversion.py`` (or its SDXL sister); what follows are its own arguments. Its steps are
told by its progress bar. RESULT gets what the other jobs of the bench answer with, without phases.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import runpy
import sys
import types
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from tinv_tui.worker.bench.clock import LOOKED_INTO, UNCOUNTED, StepClock


def main() -> None:
    script, result, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[sys.argv.index("--max_train_steps") + 1])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    clock = StepClock(steps - UNCOUNTED - LOOKED_INTO, device, dict[str, nn.Module]())
    _stand_in_for_torchvision()
    _tell_steps(clock)
    sys.argv = [script, *sys.argv[3:]]
    runpy.run_path(script, run_name="__main__")
    result.write_text(json.dumps(clock.result() | {"phases": {}}), encoding="utf-8")


def _tell_steps(clock: StepClock) -> None:
    bars: Any = importlib.import_module("tqdm.auto").tqdm
    update = bars.update

    def told(bar: Any, n: float | None = 1) -> Any:
        if (bar.desc or "").startswith("Steps"):
            clock.stepped()
        return update(bar, n)

    bars.update = told


def _stand_in_for_torchvision() -> None:
    """The scripts take two things from torchvision, a random mirror image and a random crop; where it is missing, these
    are given.

    Only after the libraries have looked for torchvision themselves: a half one would mislead them.
    """
    import diffusers
    import transformers

    for needed in (diffusers.StableDiffusionPipeline, transformers.CLIPTextModel):
        assert needed is not None
    try:
        importlib.import_module("torchvision")
        return
    except ImportError:
        pass

    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    modules = {name: types.ModuleType(name) for name in names}
    for name, module in modules.items():
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    library, transforms, functional = (vars(module) for module in modules.values())
    library["transforms"] = modules[names[1]]
    transforms |= {"functional": modules[names[2]], "RandomHorizontalFlip": _RandomMirror, "RandomCrop": _RandomCrop}
    functional["crop"] = _crop
    sys.modules |= modules


class _RandomMirror:
    def __init__(self, p: float = 0.5) -> None:
        self._p = p

    def __call__(self, image: Image.Image) -> Image.Image:
        is_mirrored = torch.rand(1).item() < self._p
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if is_mirrored else image


class _RandomCrop:
    """A square of so many pixels a side."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, image: Image.Image) -> Image.Image:
        return _crop(image, *self.get_params(image, (self._size, self._size)))

    @staticmethod
    def get_params(image: Image.Image, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width."""
        height, width = output_size
        top, left = (int(torch.randint(room + 1, ())) for room in (image.height - height, image.width - width))
        return top, left, height, width


def _crop(image: Image.Image, top: int, left: int, height: int, width: int) -> Image.Image:
    return image.crop((left, top, left + width, top + height))


if __name__ == "__main__":
    main()
