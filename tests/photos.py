"""Five pictures as a camera leaves them: the photographs of TINV_TEST_DATA, or drawn ones where there are none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def photographs(folder: Path) -> Path:
    """A new folder with five pictures, larger than any training size and of several shapes."""
    folder.mkdir(parents=True)
    real = Path(os.environ.get("TINV_TEST_DATA", "/nowhere")) / "photos" / "dog"
    if real.is_dir():
        for file in sorted(real.glob("*.jpg"))[:5]:
            shutil.copyfile(file, folder / file.name)
        return folder
    rng = np.random.default_rng(1)
    for number, size in enumerate(((400, 300), (300, 400), (320, 320), (500, 300), (360, 360))):
        background, colour = (tuple(int(c) for c in rng.integers(0, 256, 3)) for _ in range(2))
        image = Image.new("RGB", size, background)
        ImageDraw.Draw(image).ellipse((60, 60, 240, 240), fill=colour)
        image.save(folder / f"{number:02}.jpg", quality=92)
    return folder
