"""The process that tokenises for the app: a real one, asked, killed, stopped and left alone."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tinv_tui.app import vocabulary
from tinv_tui.app.vocabulary import AskedVocabulary, Clerk
from tinv_tui.errors import InputError
from tinv_tui.interpreter import PYTHON
from tinv_tui.models import bundled
from tinv_tui.models.tokenizer import PromptTokenizer
from tinv_tui.models.vocabulary import ClipVocabulary

FOLDER = bundled.FOLDER / "tokenizer"
TEXTS = ["a photo of a red star", "", "naïve ☃ [name]", "x\ny", "İstanbul", "half \ud83d of a pair"]


@pytest.fixture(autouse=True)
def clerk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clerk]:
    made = Clerk()
    monkeypatch.setattr(vocabulary, "clerk", made)
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def test_it_tells_what_the_library_tells_here() -> None:
    here, there = ClipVocabulary(FOLDER), AskedVocabulary(FOLDER)
    assert (there.begin, there.end, there.pad, there.size) == (here.begin, here.end, here.pad, here.size)
    for text in TEXTS:
        assert there.ids(text) == here.ids(text)
        assert there.tokens(text) == here.tokens(text)
    assert [there.token(number) for number in (0, 5, 10**6)] == [here.token(number) for number in (0, 5, 10**6)]
    prompt = "a red star of [name], " * 30
    assert PromptTokenizer(there).chunks(prompt, "zork", 4) == PromptTokenizer(here).chunks(prompt, "zork", 4)


def test_a_folder_without_a_vocabulary_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as here:
        ClipVocabulary(tmp_path)
    with pytest.raises(InputError) as there:
        AskedVocabulary(tmp_path)
    assert (there.value.code, there.value.message, there.value.hint) == (
        here.value.code,
        here.value.message,
        here.value.hint,
    )


def test_one_that_has_ended_meanwhile_is_started_anew(clerk: Clerk) -> None:
    asked = AskedVocabulary(FOLDER)
    first = clerk.process
    assert first is not None
    before = asked.ids("a red star")
    first.kill()
    assert asked.ids("a red star") == before
    assert clerk.process is not first
    deadline = time.monotonic() + 10
    while psutil.pid_exists(first.pid):  # no zombie stays
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_that_is_stopped_keeps_nobody_waiting_for_good(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = AskedVocabulary(FOLDER)
    assert clerk.process is not None
    clerk.process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(vocabulary, "_PATIENCE_SECONDS", 0.5)
    first = clerk.process
    with_patience = asked.ids  # the one that takes its place has more time to begin

    def start(module: str) -> subprocess.Popen[str]:
        monkeypatch.setattr(vocabulary, "_PATIENCE_SECONDS", 30.0)
        return started(module)

    started = vocabulary.start_helper
    monkeypatch.setattr(vocabulary, "start_helper", start)
    assert with_patience("a red star") == ClipVocabulary(FOLDER).ids("a red star")
    assert clerk.process is not first


def test_a_model_that_goes_away_is_an_error_only_for_what_is_not_known(tmp_path: Path, clerk: Clerk) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(FOLDER, folder)
    tokenizer = PromptTokenizer(AskedVocabulary(folder))
    known = tokenizer.encode("a red star")
    shutil.rmtree(folder)
    assert len(tokenizer.encode("a blue star")) == 3  # it is still held there
    assert clerk.process is not None
    clerk.process.kill()
    assert tokenizer.encode("a red star") == known
    with pytest.raises(InputError, match="tokenizer"):
        tokenizer.encode("a green star")


def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(module: str) -> subprocess.Popen[str]:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(vocabulary, "start_helper", start)
    with pytest.raises(InputError, match="ends before it answers"):
        AskedVocabulary(FOLDER)


def test_it_ends_with_the_one_that_asks() -> None:
    process = subprocess.Popen(
        [*PYTHON, "-m", "tinv_tui.worker.vocabulary"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f'{{"folder": "{FOLDER}", "ids": "a red star"}}\n')
    process.stdin.flush()
    assert '"ids"' in process.stdout.readline()
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def test_it_ends_when_nobody_asks_for_a_while() -> None:
    code = "import tinv_tui.worker.vocabulary as vocabulary; vocabulary._IDLE_SECONDS = 0.3; vocabulary.main()"
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.wait(timeout=60) == 0
    assert time.monotonic() - began >= 0.3
