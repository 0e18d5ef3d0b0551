"""Captions in booru tags, by DeepDanbooru or a WD tagger in ONNX form. Needs onnxruntime: only the worker uses it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tinv_tui.datasets.captioner_models import TAGGER_FILES, kind_of, onnx_file
from tinv_tui.errors import InputError

_WD_GENERAL, _WD_CHARACTER = "0", "4"
"""Categories of selected_tags.csv that become captions; ratings (9) and the rest do not."""


@dataclass(frozen=True)
class TagChoice:
    """Which of a picture's tags are written, and how. Threshold 0 is the tagger's own."""

    threshold: float = 0.0
    character_threshold: float = 0.85
    order: Literal["alphabet", "score"] = "alphabet"
    spaces: bool = True
    left_out: frozenset[str] = frozenset()
    """Tags in lower case, with spaces."""


class Tagger:
    """One loaded model and its list of tags."""

    def __init__(self, folder: Path, choice: TagChoice | None = None) -> None:
        """Raises InputError when the folder holds no tagger, or one whose model and tags do not fit together."""
        import onnxruntime

        kind = kind_of(folder)
        file = onnx_file(folder, kind) if kind is not None else None
        if kind is None or file is None:
            raise InputError(
                "captioner-unreadable", f"{folder} holds no tagger", "It needs an ONNX model and its tags."
            )
        self._kind = kind
        self._choice = choice or TagChoice()
        try:
            self._tags = _read_tags(folder / TAGGER_FILES[kind].tags)
            self._session = onnxruntime.InferenceSession(str(file), providers=onnxruntime.get_available_providers())
            described = self._session.get_inputs()[0]
        except Exception as error:  # the runtime has errors of its own for each fault of a file
            problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                "captioner-unreadable", f"{file} cannot be loaded: {problem}", "Fetch it again, or choose another."
            ) from error
        self._input = described.name
        self._side = described.shape[1] if isinstance(described.shape[1], int) else TAGGER_FILES[kind].side

    def caption(self, picture: Image.Image) -> str:
        """The tags of an RGB picture, joined with ", ". Raises InputError when model and tags are of different lengths."""
        prepare = _letterboxed if self._kind == "deepdanbooru" else _on_white
        scores = self._session.run(None, {self._input: prepare(picture.convert("RGB"), self._side)[None]})[0][0]
        if len(scores) != len(self._tags):
            raise InputError(
                "captioner-unreadable",
                f"the tagger knows {len(scores)} tags, and its list has {len(self._tags)}",
                "Fetch model and tags again, from the same place.",
            )
        return ", ".join(self._chosen([float(s) for s in scores]))

    def _chosen(self, scores: list[float]) -> list[str]:
        choice = self._choice
        threshold = choice.threshold or TAGGER_FILES[self._kind].threshold
        found = [
            (tag, score)
            for (tag, category), score in zip(self._tags, scores, strict=True)
            if category in (_WD_GENERAL, _WD_CHARACTER)
            and score >= (choice.character_threshold if category == _WD_CHARACTER else threshold)
            and _with_spaces(tag).lower() not in choice.left_out
        ]
        found.sort(key=lambda pair: pair[0] if choice.order == "alphabet" else -pair[1])
        return [_with_spaces(tag) if choice.spaces else tag for tag, _ in found]


def _read_tags(file: Path) -> list[tuple[str, str]]:
    """Tags in the order of the model's output, each with its category; DeepDanbooru's ``rating:`` tags are of none."""
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix == ".csv":
        return [(row["name"], row["category"]) for row in csv.DictReader(text.splitlines())]
    tags = [line.strip() for line in text.splitlines() if line.strip()]
    return [(tag, "" if tag.startswith("rating:") else _WD_GENERAL) for tag in tags]


def _with_spaces(tag: str) -> str:
    """``long_hair`` as "long hair"; faces made of signs, as ``o_o`` and ``(o)_(o)``, stay what they are."""
    return tag.replace("_", " ") if re.search(r"[^\W_]{2}", tag) else tag


def _letterboxed(picture: Image.Image, side: int) -> NDArray[np.float32]:
    """[side, side, 3], RGB in [0, 1]: fitted whole, the edges drawn out into the bars (a1111.md §3.3)."""
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS), dtype=np.float32) / 255
    left, top = (side - width) // 2, (side - height) // 2
    bars = ((top, side - height - top), (left, side - width - left), (0, 0))
    return np.pad(pixels, bars, mode="edge")


def _on_white(picture: Image.Image, side: int) -> NDArray[np.float32]:
    """[side, side, 3], BGR in [0, 255]: on a white square, as the WD taggers were trained."""
    longest = max(picture.size)
    square = Image.new("RGB", (longest, longest), "white")
    square.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    if longest != side:
        square = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.float32)[:, :, ::-1])
