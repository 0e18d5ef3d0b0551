"""Pictures for the app's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tinv_tui import paths


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures, two of them with captions, one not square, and a broken file."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (colour, size) in enumerate((("red", (64, 64)), ("green", (64, 64)), ("blue", (96, 64))), start=1):
        Image.new("RGB", size, colour).save(folder / f"{number:03}.png")
    (folder / "001.txt").write_text("a red thing on a table")
    (folder / "003.txt").write_text("a blue thing")
    (folder / "004.png").write_bytes(b"")
    return folder


@pytest.fixture(autouse=True)
def no_fault_of_the_apps_own() -> Iterator[None]:
    """What goes wrong in the background ends no app, and would end no test either."""
    yield
    assert not paths.app_log().exists(), paths.app_log().read_text()
