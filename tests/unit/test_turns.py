"""Commands that do the same at once take turns."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tinv_tui.runs.turns import in_turn

HOLD = "import sys; from pathlib import Path; from tinv_tui.runs.turns import in_turn\n"
HOLD += "with in_turn(Path(sys.argv[1])): print('within', flush=True); sys.stdin.read()"


def is_free(file: Path) -> bool:
    with file.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_thread_waits_for_another_of_the_same_process(tmp_path: Path) -> None:
    file, order = tmp_path / "turn", list[str]()

    def second() -> None:
        with in_turn(file):
            order.append("second")

    with in_turn(file):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_a_process_holds_its_turn_until_its_end_even_when_it_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "turn"
    other = subprocess.Popen([sys.executable, "-c", HOLD, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"within\n"
    assert not is_free(file)
    other.kill()
    other.communicate()
    assert is_free(file)


@pytest.mark.parametrize("file", ["missing/turn", "link"])
def test_where_nothing_can_be_locked_nobody_waits(file: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with in_turn(tmp_path / file), in_turn(tmp_path / file):
        assert not (tmp_path / "elsewhere").exists()  # and no link is followed
