"""``python -m tinv_tui.models.bundled.build.grids``: one sheet to look at, what the model draws and what it can be taught."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tinv_tui.models import bundled
from tinv_tui.models.bundled.build.painter import Painter
from tinv_tui.models.bundled.build.sets import SETS

PROMPTS = (
    "a photo of a red striped circle on a white background",
    "a photo of a small yellow star on a navy background",
    "a photo of a blue checkered square on a beige background",
    "a photo of a purple dotted heart",
    "a photo of two green triangles on a black background",
    "a teal ring in the style of sketch",
    "an orange cross, night style",
    "a photo of a pixelated magenta diamond",
)
_SIDE, _GAP, _WORDS = 64, 4, 16
_SHOWN, _TAUGHT = 8, 5


def main() -> None:
    """Paint the sheet. Embeddings are taken from a library of ones trained on the bundled sets, named as those are."""
    parser = argparse.ArgumentParser(prog="python -m tinv_tui.models.bundled.build.grids", description=__doc__)
    parser.add_argument("--model", type=Path, default=bundled.FOLDER)
    parser.add_argument("--library", type=Path, required=True, help="embeddings from `tinv-tui demo --set NAME`")
    parser.add_argument("--out", type=Path, default=Path("bundled-model.png"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    painter = Painter(arguments.model)
    rows = [(prompt, painter.paint([prompt] * (_SHOWN + _TAUGHT))) for prompt in PROMPTS]
    for name, concept in SETS.items():
        shown = [np.asarray(Image.open(f).convert("RGB")) for f in sorted(bundled.picture_sets()[name].glob("*.png"))]
        text = "a picture of a thing in the style of <w>" if concept.look else "a photo of a <w>"
        learned = painter.rows_of(arguments.library / f"{name}.safetensors")
        drawn = painter.paint_with(learned, "<w>", [text] * _SHOWN)
        rows.append((f"{name}: five pictures to learn from, and {text.replace('<w>', name)}", shown[:_TAUGHT] + drawn))
    _sheet(rows).save(arguments.out, optimize=True)
    print(arguments.out)


def _sheet(rows: list[tuple[str, list[NDArray[np.uint8]]]]) -> Image.Image:
    """Rows of pictures, each below its words."""
    columns = max(len(pictures) for _, pictures in rows)
    height = _WORDS + _SIDE + _GAP
    sheet = Image.new("RGB", (columns * (_SIDE + _GAP) + _GAP, len(rows) * height + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (words, pictures) in enumerate(rows):
        top = number * height
        pen.text((_GAP, top + 2), words, fill="black", font=font)
        for column, pixels in enumerate(pictures):
            sheet.paste(Image.fromarray(pixels), (_GAP + column * (_SIDE + _GAP), top + _WORDS))
    return sheet


if __name__ == "__main__":
    main()
