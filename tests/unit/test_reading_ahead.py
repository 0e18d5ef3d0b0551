"""Weights that will be wanted soon are brought from the disk while something else is computed."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from tinv_tui.models.weights import Weights

MIB = 2**20


def bytes_read() -> int:
    """By this process, from whatever file."""
    return int(Path("/proc/self/io").read_text().partition("rchar: ")[2].split()[0])


def read_within(seconds: float, wanted: int, before: int) -> int:
    until = time.monotonic() + seconds
    while bytes_read() - before < wanted and time.monotonic() < until:
        time.sleep(0.01)
    return bytes_read() - before


def test_what_is_named_is_read_and_nothing_else(tmp_path: Path) -> None:
    save_file({"wanted": torch.ones(6 * MIB // 4), "other": torch.ones(40 * MIB // 4)}, tmp_path / "w.safetensors")
    with Weights([tmp_path / "w.safetensors"]) as weights:
        before = bytes_read()
        with weights.read_ahead(["wanted"]):
            assert read_within(20, 6 * MIB, before) >= 6 * MIB
            assert read_within(0.2, 7 * MIB, before) < 7 * MIB  # the last block is no larger than it has to be
        assert weights.read("wanted").sum() == 6 * MIB // 4


def test_it_ends_with_what_it_was_done_beside(tmp_path: Path) -> None:
    save_file({"wanted": torch.ones(400 * MIB // 4)}, tmp_path / "w.safetensors")
    with Weights([tmp_path / "w.safetensors"]) as weights:
        before = bytes_read()
        with weights.read_ahead(["wanted"]):
            pass
        read = bytes_read() - before
        assert read < 400 * MIB
        assert read_within(0.2, read + MIB, before) < read + MIB


def test_a_file_that_is_gone_is_told_of_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"wanted": torch.ones(4)}, path)
    with Weights([path]) as weights:
        path.unlink()
        with weights.read_ahead(["wanted"]):
            pass
