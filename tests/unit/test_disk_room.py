"""A run waits for its disk, whatever keeps it from writing, says what that is, and goes on by itself."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tinv_tui.errors import InputError
from tinv_tui.runs.events import read_all
from tinv_tui.runs.folder import RunFolder, create_run_folder
from tinv_tui.runs.status import Status
from tinv_tui.worker import disk_room
from tinv_tui.worker.disk_room import DiskRoom, GaveUp
from tinv_tui.worker.reporter import Reporter


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_room, "_POLL_SECONDS", 0.0)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "runs", "zork")


@pytest.fixture
def reporter(run: RunFolder) -> Iterator[Reporter]:
    reporter = Reporter(run, Status(name="zork", state="running"))
    yield reporter
    reporter.close("stopped", "as told")


@pytest.fixture
def room(run: RunFolder, reporter: Reporter) -> DiskRoom:
    return DiskRoom(run.path, reporter, lambda: False)


def failing(numbers: list[int], write: Callable[[], str] = lambda: "written") -> Callable[[], str]:
    """A write that fails with one error after the other, and then does not."""
    left = list(numbers)

    def attempt() -> str:
        if left:
            number = left.pop(0)
            raise OSError(number, os.strerror(number))
        return write()

    return attempt


def warnings(run: RunFolder) -> list[tuple[str, str]]:
    return [(event["code"], event["message"]) for event in read_all(run.events) if event["kind"] == "warning"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, "the disk cannot be reached: ") for name in ("ESTALE", "ETIMEDOUT", "EHOSTDOWN", "ENOTCONN")),
        *((name, "the disk cannot be reached: ") for name in ("EREMOTEIO", "EAGAIN", "EBUSY", "ENETUNREACH")),
        *((name, "the disk lets nothing be written to ") for name in ("EACCES", "EPERM", "EKEYEXPIRED")),
        ("EIO", "the disk does not take what is written to "),
        ("EROFS", "the disk has become read-only: "),
    ],
)
def test_a_run_waits_for_a_disk_that_is_in_trouble_and_says_what_it_is(
    name: str, words: str, run: RunFolder, room: DiskRoom, reporter: Reporter
) -> None:
    number = getattr(errno, name)
    assert room.write(run.state, failing([number, number])) == "written"
    told = warnings(run)
    assert [code for code, _ in told] == ["disk-trouble", "disk-back"]
    assert told[0][1].startswith(f"paused: {words}{run.checkpoint}")
    assert told[1][1] == "the disk can be written to again: going on"
    assert (reporter.status.state, reporter.status.reason) == ("running", "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_without_room_is_told_as_that(number: int, run: RunFolder, room: DiskRoom) -> None:
    assert room.write(run.state, failing([number])) == "written"
    assert [code for code, _ in warnings(run)] == ["disk-full", "disk-room"]


def test_what_is_found_when_the_disk_is_back_is_told_too(run: RunFolder, room: DiskRoom) -> None:
    assert room.write(run.state, failing([errno.ESTALE, errno.ENOSPC, errno.ENOSPC])) == "written"
    assert [code for code, _ in warnings(run)] == ["disk-trouble", "disk-full", "disk-room"]


@pytest.mark.parametrize("number", [errno.EFBIG, errno.ENAMETOOLONG, errno.EISDIR])
def test_what_does_not_pass_is_not_waited_for(number: int, run: RunFolder, room: DiskRoom) -> None:
    with pytest.raises(OSError) as caught:
        room.write(run.state, failing([number]))
    assert (caught.value.errno, warnings(run)) == (number, [])


def test_a_run_that_is_told_to_stop_while_it_waits_says_what_it_waited_for(run: RunFolder, room: DiskRoom) -> None:
    room.must_stop = lambda: bool(warnings(run))
    with pytest.raises(GaveUp, match="the disk cannot be reached: .*Stale file handle"):
        room.write(run.state, failing([errno.ESTALE] * 9))


def test_a_disk_whose_every_look_fails_is_waited_for_too(
    run: RunFolder, room: DiskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the write alone: a look at a folder of a disk that is away fails as well."""

    def away(*_: object, **__: object) -> os.stat_result:
        raise OSError(errno.ESTALE, "Stale file handle")

    stat, lstat = os.stat, os.lstat

    def back() -> str:
        monkeypatch.setattr(os, "stat", stat)
        monkeypatch.setattr(os, "lstat", lstat)
        return "written"

    monkeypatch.setattr(os, "stat", away)
    monkeypatch.setattr(os, "lstat", away)
    assert room.write(run.state, failing([errno.ESTALE], back)) == "written"


@pytest.mark.parametrize("part", ["copies", "images", "image_embeddings", "checkpoint"])
def test_a_folder_of_the_run_that_is_gone_is_made_again(part: str, run: RunFolder, room: DiskRoom) -> None:
    folder = getattr(run, part)
    shutil.rmtree(folder)
    assert room.write(folder / "a", lambda: (folder / "a").write_text("held")) == 4
    assert folder.stat().st_mode & 0o777 == 0o700
    assert warnings(run) == [("folder-gone", f"{folder} was gone with all that was in it: it is made again")]


def test_a_folder_made_again_waits_for_the_disk_as_a_file_does(
    run: RunFolder, room: DiskRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run.copies)
    make = Path.mkdir
    refused = list[Path]()

    def full(path: Path, **more: object) -> None:
        if not refused:
            refused.append(path)
            raise OSError(errno.ENOSPC, "No space left on device")
        make(path)

    monkeypatch.setattr(Path, "mkdir", full)
    room.write(run.copies / "a", (run.copies / "a").touch)
    assert refused == [run.copies]
    assert [code for code, _ in warnings(run)] == ["disk-full", "folder-gone", "disk-room"]


def test_a_run_whose_own_folder_is_gone_is_not_made_again_nor_waited_for(run: RunFolder, room: DiskRoom) -> None:
    run.path.rename(run.path.with_name("moved away"))
    with pytest.raises(FileNotFoundError):
        room.write(run.copies / "a", (run.copies / "a").touch)
    with pytest.raises(OSError, match="Stale file handle"):
        room.write(run.path, failing([errno.ESTALE] * 9))  # what a file says that was open on a server
    assert not run.path.exists()


def test_a_folder_outside_the_run_is_not_made(run: RunFolder, room: DiskRoom, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        room.write(tmp_path / "library" / "a", (tmp_path / "library" / "a").touch)


def test_a_link_that_takes_a_folders_place_while_the_run_waits_is_not_written_through(
    run: RunFolder, room: DiskRoom, tmp_path: Path
) -> None:
    def replaced() -> str:
        run.copies.rmdir()
        run.copies.symlink_to(tmp_path)
        raise OSError(errno.ESTALE, "Stale file handle")

    with pytest.raises(InputError, match="has become a link"):
        room.write(run.copies / "a", replaced)
