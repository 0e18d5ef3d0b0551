"""Commands to a worker: small files, read whole, in order, once."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from tinv_tui.errors import InputError
from tinv_tui.runs.inbox import post_command, take_commands


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("stop", {}),
        ("stop", {"save": False}),
        ("pause", {}),
        ("unpause", {}),
        ("save", {}),
        ("preview", {"prompt": 'a "猫"\non a mat'}),
    ],
)
def test_a_command_arrives_as_it_was_posted_and_only_once(inbox: Path, command: str, args: dict[str, Any]) -> None:
    posted = post_command(inbox, command, args)
    assert (posted.command, posted.args) == (command, args)
    assert take_commands(inbox) == [posted]
    assert take_commands(inbox) == []
    assert list(inbox.iterdir()) == []


def test_a_command_is_one_file_named_after_its_time_and_id(inbox: Path) -> None:
    posted = post_command(inbox, "stop", {"save": True})
    (file,) = inbox.iterdir()
    assert re.fullmatch(rf"\d{{13}}-{posted.id}\.json", file.name)
    assert json.loads(file.read_text()) == {"id": posted.id, "command": "stop", "args": {"save": True}}


def test_commands_are_taken_in_the_order_they_were_posted(inbox: Path) -> None:
    posted = [post_command(inbox, ("pause", "unpause")[n % 2]) for n in range(300)]
    assert take_commands(inbox) == posted
    assert len({c.id for c in posted}) == 300


def test_a_command_is_never_taken_half_written(inbox: Path) -> None:
    long, count = "x" * 60_000, 40
    writer = threading.Thread(target=lambda: [post_command(inbox, "preview", {"prompt": long}) for _ in range(count)])
    writer.start()
    taken = []
    while writer.is_alive():
        taken += take_commands(inbox)
    taken += take_commands(inbox)
    assert [len(c.args["prompt"]) for c in taken] == [len(long)] * count


def test_an_unknown_command_is_refused_with_those_there_are(inbox: Path) -> None:
    with pytest.raises(InputError, match="'explode'") as caught:
        post_command(inbox, "explode")
    assert "unpause" in caught.value.hint
    assert list(inbox.iterdir()) == []


def test_an_argument_that_a_command_does_not_have_is_refused(inbox: Path) -> None:
    with pytest.raises(InputError, match="save has no prompt"):
        post_command(inbox, "save", {"prompt": "a"})


def test_a_command_that_cannot_be_left_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be left"):
        post_command(tmp_path / "gone", "stop")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b'"stop"', b"\xff\xfe", b'{"id": "1"}', b'{"id": "1", "command": "stop", "args": [1]}'],
)
def test_what_is_no_command_is_removed_and_the_others_are_taken(inbox: Path, content: bytes) -> None:
    (inbox / "1-a.json").write_bytes(content)
    posted = post_command(inbox, "stop")
    assert take_commands(inbox) == [posted]
    assert list(inbox.iterdir()) == []


def test_what_cannot_be_removed_is_left_and_never_obeyed(inbox: Path) -> None:
    (inbox / "1-a.json").mkdir()
    posted = post_command(inbox, "stop")
    assert take_commands(inbox) == [posted]
    assert take_commands(inbox) == []


def test_a_command_of_anybodys_needs_no_arguments(inbox: Path) -> None:
    (inbox / "1-a.json").write_text('{"id": 7, "command": "stop"}')
    (taken,) = take_commands(inbox)
    assert (taken.id, taken.command, taken.args) == ("7", "stop", {})


def test_files_that_are_not_json_are_not_touched(inbox: Path) -> None:
    (inbox / ".1-a.tmp").write_text('{"id": "1", "command": "stop"}')
    assert take_commands(inbox) == []
    assert len(list(inbox.iterdir())) == 1


def test_an_inbox_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert take_commands(tmp_path / "gone") == []


def test_what_a_worker_would_refuse_for_its_size_cannot_be_posted(inbox: Path) -> None:
    with pytest.raises(InputError, match="at most 64 KiB"):
        post_command(inbox, "preview", {"prompt": "x" * 65536})
    assert list(inbox.iterdir()) == []


def test_a_link_a_pipe_a_folder_and_a_large_file_are_refused_once_and_what_they_hold_is_not_obeyed(
    inbox: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text('{"id": "a", "command": "stop"}')
    (inbox / "1-link.json").symlink_to(outside)
    os.mkfifo(inbox / "2-pipe.json")
    (inbox / "3-folder.json").mkdir()
    (inbox / "4-large.json").write_text(json.dumps({"id": "b", "command": "stop", "args": {"save": "x" * 65536}}))
    refused: list[str] = []
    assert take_commands(inbox, refused.append) == []
    assert [why.split(" ")[0] for why in refused] == ["1-link.json", "2-pipe.json", "3-folder.json", "4-large.json"]
    assert "it is a link" in refused[0]
    assert "larger than 64 KiB" in refused[3]
    assert take_commands(inbox, refused.append) == []
    assert len(refused) == 4
    assert outside.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_command_from_another_user_is_refused(inbox: Path) -> None:
    post_command(inbox, "stop")
    os.chown(next(inbox.iterdir()), 65534, 65534)
    refused: list[str] = []
    assert take_commands(inbox, refused.append) == []
    assert "it is from another user (65534)" in refused[0]
    assert list(inbox.iterdir()) == []
