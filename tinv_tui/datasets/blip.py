"""Captions in sentences, by BLIP (arXiv:2201.12086). Imports torch and transformers: only the worker may use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, BlipForConditionalGeneration

from tinv_tui.errors import InputError

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
_DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


class BlipCaptioner:
    """One loaded model. The same picture always gets the same caption: decoding draws nothing."""

    def __init__(self, folder: Path, *, min_length: int = 24, max_length: int = 48, beams: int = 1) -> None:
        """Lengths are in tokens. Raises InputError when the folder's files do not make a BLIP captioner."""
        self._lengths = {"min_length": min(min_length, max_length), "max_length": max_length, "num_beams": beams}
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model = BlipForConditionalGeneration.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # a file may be wrong in many ways, each with an error of its own
            problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                "captioner-unreadable",
                f"{folder} cannot be loaded as a BLIP captioner: {problem}",
                "Fetch it again, or choose another.",
            ) from error
        self._model = model.eval().to(self._device)
        self._side = int(model.config.vision_config.image_size)

    @torch.inference_mode()
    def caption(self, picture: Image.Image) -> str:
        """A sentence for an RGB picture, which is squeezed to the model's square (384 x 384 pixels)."""
        square = picture.convert("RGB").resize((self._side, self._side), Image.Resampling.BICUBIC)
        pixels = (np.asarray(square, dtype=np.float32) / 255 - _MEAN) / _DEVIATION
        batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None].to(self._device)
        tokens = self._model.generate(pixel_values=batch, do_sample=False, **self._lengths)
        words = tokens[0, 1:]  # the first is the mark of the beginning, which not every tokenizer knows for one
        return " ".join(str(self._tokenizer.decode(words, skip_special_tokens=True)).split())
