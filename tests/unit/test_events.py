"""events.jsonl: appended by the worker, read by anybody at any moment."""

from __future__ import annotations

import json
import os
import socket
import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tinv_tui.runs import events
from tinv_tui.runs.events import EventReader, EventWriter, cut_half_line, last_of, read_all


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def write(path: Path, *kinds: str) -> None:
    writer = EventWriter(path)
    for kind in kinds:
        writer.write(kind)
    writer.close()


def kinds(events: list[dict[str, object]]) -> list[object]:
    return [event["kind"] for event in events]


def test_an_event_is_one_json_object_a_line_with_version_time_and_kind(path: Path) -> None:
    writer = EventWriter(path)
    writer.write("saved", step=500, path=Path("/r/cat\n é.png"), what="copy")
    writer.close()
    (line,) = path.read_bytes().splitlines()
    event = json.loads(line)
    assert list(event) == ["v", "t", "kind", "step", "path", "what"]
    assert (event["v"], event["kind"], event["path"]) == (1, "saved", "/r/cat\n é.png")
    assert abs(datetime.fromisoformat(event["t"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_event_is_in_the_file_as_soon_as_it_is_written(path: Path) -> None:
    writer = EventWriter(path)
    writer.write("phase", name="loading")
    assert kinds(read_all(path)) == ["phase"]
    writer.close()


def test_a_story_whose_file_was_lost_with_its_disk_goes_on_once_that_is_back(path: Path) -> None:
    """A file that was open on a disk that went away never takes a write again, as this socket does not."""
    writer = EventWriter(path)
    writer.write("started")
    with socket.socket(socket.AF_UNIX) as nobody:
        os.dup2(nobody.fileno(), writer._file.fileno())
    writer.write("step")  # waits
    assert kinds(read_all(path)) == ["started"]
    writer.sync()
    writer.write("saved")
    writer.close()
    assert kinds(read_all(path)) == ["started", "step", "saved"]


@pytest.mark.parametrize("block", [1, 7, 64, 2**16])
def test_the_newest_event_of_a_kind_is_read_from_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(events, "_BLOCK_BYTES", block)
    assert last_of(path, "ended") is None
    writer = EventWriter(path)
    for step in range(1, 4):
        writer.write("step", step=step, prompt="größer " * 9)
        writer.write("ended", step=step)
    writer.write("warning", code="hook-failed")
    writer.close()
    with path.open("ab") as file:
        file.write(b'\n{"kind":\n{"v":1,"t":"","kind":"ended","step":9}')  # a spoiled line, and one half written
    for kind, step in (("ended", 3), ("step", 3), ("warning", None), ("started", None)):
        found = last_of(path, kind)
        assert (found or {}).get("kind") == (kind if kind != "started" else None)
        assert (found or {}).get("step") == step


def test_a_long_story_is_not_held_to_find_its_end(path: Path) -> None:
    line = json.dumps({"v": 1, "t": "", "kind": "step", "prompt": "x" * 980}) + "\n"
    path.write_text(line * 20_000 + line.replace("step", "ended") + line)
    tracemalloc.start()
    try:
        assert last_of(path, "ended") is not None
        assert last_of(path, "started") is None
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_second_worker_goes_on_where_the_first_ended(path: Path) -> None:
    write(path, "started", "ended")
    write(path, "started")
    assert kinds(read_all(path)) == ["started", "ended", "started"]


def test_a_second_worker_drops_the_half_line_that_a_killed_one_left(path: Path) -> None:
    write(path, "started")
    with path.open("ab") as file:
        file.write(b'{"v":1,"kind":"st')
    write(path, "ended")
    assert kinds(read_all(path)) == ["started", "ended"]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


@pytest.mark.parametrize(("before", "after"), [(b"", b""), (b"half", b""), (b"a\n", b"a\n"), (b"a\nb\nc", b"a\nb\n")])
def test_only_what_follows_the_last_line_end_is_cut(path: Path, before: bytes, after: bytes) -> None:
    path.write_bytes(before)
    cut_half_line(path)
    assert path.read_bytes() == after


def test_a_file_name_that_is_no_text_can_be_told(path: Path) -> None:
    name = os.fsdecode(b"cat\xff.png")
    writer = EventWriter(path)
    writer.write("warning", message=name)
    writer.close()
    path.read_bytes().decode("utf-8")
    assert read_all(path)[0]["message"] == name


def test_events_of_several_threads_do_not_mix(path: Path) -> None:
    writer = EventWriter(path)

    def write_many(thread: int) -> None:
        for number in range(200):
            writer.write("step", thread=thread, step=number, fill="x" * 50)

    threads = [threading.Thread(target=write_many, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    events = read_all(path)
    assert len(path.read_bytes().splitlines()) == len(events) == 800
    assert [e["step"] for e in events if e["thread"] == 2] == list(range(200))


def test_a_reader_gets_each_event_once_as_they_come(path: Path) -> None:
    reader = EventReader(path)
    assert reader.read_new() == []
    writer = EventWriter(path)
    writer.write("started")
    writer.write("step")
    assert kinds(reader.read_new()) == ["started", "step"]
    assert reader.read_new() == []
    writer.write("ended")
    assert kinds(reader.read_new()) == ["ended"]
    writer.close()


def test_a_reader_leaves_a_half_written_line_for_the_next_time(path: Path) -> None:
    reader = EventReader(path)
    path.write_bytes(b'{"kind":"a"}\n{"kind":"\xc3')
    assert kinds(reader.read_new()) == ["a"]
    assert not reader.read_ahead()
    with path.open("ab") as file:
        file.write(b'\xa9"}\n')
    assert reader.read_ahead()
    assert kinds(reader.read_new()) == ["é"]
    assert not reader.read_ahead()


def test_a_reader_passes_over_lines_that_are_no_events(path: Path) -> None:
    path.write_bytes(b'nonsense\n\n[1]\n3\n{"v":1}\n\xff\xfe\n\x00\x00\n{"kind":"a"}\n')
    assert kinds(read_all(path)) == ["a"]


def test_a_reader_goes_on_after_a_half_line_is_cut(path: Path) -> None:
    write(path, "started")
    reader = EventReader(path)
    reader.read_new()
    with path.open("ab") as file:
        file.write(b'{"kind":"half')
    assert reader.read_new() == []
    write(path, "ended")
    assert kinds(reader.read_new()) == ["ended"]


def test_a_reader_tells_the_story_again_when_the_file_was_cut_back(path: Path) -> None:
    write(path, "started", "step", "step", "ended")
    reader = EventReader(path)
    reader.read_new()
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert kinds(reader.read_new()) == ["started"]


def test_a_file_that_is_not_there_has_no_events(path: Path) -> None:
    assert read_all(path) == []
    assert not EventReader(path).read_ahead()


@pytest.mark.parametrize(("last", "steps"), [(0, []), (2, [8, 9]), (50, list(range(10)))])
def test_the_last_lines_alone_are_read_and_reading_goes_on_after_them(
    tmp_path: Path, last: int, steps: list[int]
) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path)
    for step in range(10):
        writer.write("step", step=step)
    reader = EventReader(path)
    assert [event["step"] for event in reader.read_new(last=last)] == steps
    writer.write("step", step=10)
    writer.close()
    assert [event["step"] for event in reader.read_new()] == [10]


def test_what_was_told_so_far_can_be_passed_over_unread(path: Path) -> None:
    reader = EventReader(path)
    reader.skip()
    write(path, "started", "step")
    assert kinds(reader.read_new()) == ["started", "step"]
    with path.open("ab") as file:
        file.write(b'{"kind":"a"}\n{"kind":"half')
    reader = EventReader(path)
    reader.skip()
    assert not reader.read_ahead()
    assert reader.read_new() == []
    with path.open("ab") as file:
        file.write(b' and whole"}\n')
    assert kinds(reader.read_new()) == ["half and whole"]


@pytest.mark.parametrize("longest", [10, 2**16 - 13, 2**16 - 12, 2**16, 3 * 2**16])
def test_the_last_line_end_is_found_however_far_it_is_from_the_end(path: Path, longest: int) -> None:
    path.write_bytes(b'{"kind":"a"}\n' + b"x" * longest)
    reader = EventReader(path)
    reader.skip()
    assert reader.offset == 13
    cut_half_line(path)
    assert path.read_bytes() == b'{"kind":"a"}\n'
    path.write_bytes(b"x" * longest)
    reader.skip()
    assert reader.offset == 0
    cut_half_line(path)
    assert path.read_bytes() == b""
