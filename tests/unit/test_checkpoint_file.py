"""A checkpoint is read as it was written, or not at all; then the one before it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from tinv_tui.checkpoint_file import before, mend, newest_sound, read_checkpoint, write_checkpoint


def write(path: Path, step: int) -> None:
    rows = np.arange(16, dtype=np.float32).reshape(2, 8) + step
    tensors = {"vectors": rows, "moment1": rows / 10, "moment2": rows**2}
    write_checkpoint(path, safetensors.numpy.save(tensors, {"tinv": json.dumps({"step": step, "environment": {}})}))


def step_of(path: Path) -> int:
    content, facts = newest_sound(path)
    assert safetensors.numpy.load(content)["vectors"][0, 0] == facts["step"]
    return int(facts["step"])


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Checkpoints of steps 10 and 20."""
    path = tmp_path / "state.safetensors"
    write(path, 10)
    write(path, 20)
    return path


def truncated(whole: bytes) -> Iterator[bytes]:
    for length in range(len(whole)):
        yield whole[:length]


def flipped(whole: bytes) -> Iterator[bytes]:
    """A bit of each byte, of every weight in turn."""
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        yield bytes(damaged)


def test_any_tool_reads_what_is_written_and_the_one_before_is_kept(two: Path) -> None:
    assert safetensors.numpy.load(two.read_bytes())["vectors"][0, 0] == 20
    assert safetensors.numpy.load(before(two).read_bytes())["vectors"][0, 0] == 10
    assert sorted(p.name for p in two.parent.iterdir()) == ["state-before.safetensors", "state.safetensors"]
    assert mend(two) is None


def test_truncated_at_any_byte_the_one_before_is_used(two: Path) -> None:
    for damaged in truncated(two.read_bytes()):
        two.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            read_checkpoint(two)
        assert step_of(two) == 10


def test_with_a_bit_of_any_byte_flipped_it_is_refused_or_says_the_same(two: Path) -> None:
    whole = two.read_bytes()
    wanted, facts = safetensors.numpy.load(whole), read_checkpoint(two)[1]
    refused = 0
    for damaged in flipped(whole):
        two.write_bytes(damaged)
        try:
            content, said = read_checkpoint(two)
        except ValueError:
            refused += 1
            continue
        found = safetensors.numpy.load(content)
        assert said == facts
        assert {name: found[name].tobytes() for name in wanted} == {name: wanted[name].tobytes() for name in wanted}
    assert refused > 0.9 * len(whole)


def test_mending_puts_the_one_before_in_the_place_of_a_damaged_one(two: Path) -> None:
    two.write_bytes(two.read_bytes()[:-1])
    damage = mend(two)
    assert damage is not None
    assert "checksum" in damage
    assert (step_of(two), before(two).exists()) == (10, False)
    write(two, 15)
    assert [read_checkpoint(path)[1]["step"] for path in (two, before(two))] == [15, 10]


def test_a_checkpoint_that_is_gone_is_mended_too(two: Path) -> None:
    two.unlink()
    assert mend(two) is not None
    assert step_of(two) == 10


def test_without_a_sound_one_it_says_so(two: Path) -> None:
    for path in (two, before(two)):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="no sound one before it"):
        mend(two)


def test_where_there_is_none_there_is_nothing_to_mend(tmp_path: Path) -> None:
    assert mend(tmp_path / "state.safetensors") is None


def test_where_files_can_have_one_name_only_the_one_before_is_kept_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "state.safetensors"
    write(path, 10)
    write(path, 20)
    assert [read_checkpoint(p)[1]["step"] for p in (path, before(path))] == [20, 10]
