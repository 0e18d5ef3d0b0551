"""Draws with the stock diffusers pipeline, as a user of the model would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor

GUIDANCE = 3.0
SAMPLING_STEPS = 20


class Painter:
    """The pipeline on one model folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, safety_checker=None)
        self.pipe.set_progress_bar_config(disable=True)

    def paint(self, prompts: Sequence[str], seed: int = 11) -> list[NDArray[np.uint8]]:
        """One 64 x 64 picture for each prompt."""
        images = self.pipe(
            list(prompts),
            num_inference_steps=SAMPLING_STEPS,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
        ).images
        return [(image * 255).round().astype(np.uint8) for image in images]

    def paint_with(self, rows: Tensor, word: str, prompts: Sequence[str], seed: int = 11) -> list[NDArray[np.uint8]]:
        """As :meth:`paint`, with ``word`` standing for vectors [n, width] in the prompts."""
        self.pipe.load_textual_inversion({word: rows if len(rows) > 1 else rows[0]}, token=word)
        try:
            return self.paint(prompts, seed)
        finally:  # the library names every vector but takes back only those it is told of
            self.pipe.unload_textual_inversion([word, *(f"{word}_{n}" for n in range(1, len(rows)))])

    @staticmethod
    def rows_of(file: Path) -> Tensor:
        """The vectors of an embedding file, [n, width]."""
        return safetensors.torch.load_file(file)["emb_params"]
