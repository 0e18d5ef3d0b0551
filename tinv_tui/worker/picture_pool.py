"""Makes pictures in processes of their own, a bounded number at a time, so that all cores work and memory stays the same.

They never write a file, so that they can be ended at any moment. One that is killed, by a broken decoder or for its
memory, costs the picture it had, no more. Each process has a pipe of its own: with the shared queue of
``concurrent.futures``, one that is killed halfway through an answer leaves the others waiting forever.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection

from tinv_tui.datasets.preprocess import PicturePlan
from tinv_tui.datasets.preprocess_picture import MadePicture, make_pictures
from tinv_tui.sections import PreprocessSection

Outcome = list[MadePicture] | str
"""What was made, or why the picture is skipped."""

_AHEAD = 2
"""Pictures under way or waiting for each process."""
_LOOK_SECONDS = 0.2


def made_pictures(
    plans: Sequence[PicturePlan], section: PreprocessSection, check: Callable[[], None]
) -> Iterator[tuple[PicturePlan, Outcome]]:
    """Make what is planned, each as it gets ready. ``check`` is called often, and may raise to end it all.

    Raises InputError for what is wrong with the section.
    """
    waiting, suspects = deque(plans), deque[PicturePlan]()
    on_trial: PicturePlan | None = None
    makers = [_Maker(section) for _ in range(min(section.processes or len(os.sched_getaffinity(0)), len(plans)))]
    try:
        while waiting or suspects or any(maker.given for maker in makers):
            # A picture whose process died comes again with nothing beside it: it may have died of another's memory.
            if not suspects and on_trial is None:
                _hand_out(waiting, makers)
            elif suspects and not any(maker.given for maker in makers):
                on_trial = suspects.popleft()
                makers[0].give(on_trial)
            ready = connection.wait([maker.pipe for maker in makers], _LOOK_SECONDS)
            check()
            for maker in [maker for maker in makers if maker.pipe in ready]:
                answer = maker.take()
                if answer is None:
                    lost = maker.begin_again()
                    if lost and lost[0] is on_trial:
                        on_trial = None
                        yield lost[0], "its decoder crashed, or it needs more memory than there is"
                    else:
                        suspects.extend(lost[:1])
                        waiting.extendleft(reversed(lost[1:]))
                    continue
                if answer[0] is on_trial:
                    on_trial = None
                yield answer
    finally:
        for maker in makers:
            maker.end()


def _hand_out(waiting: deque[PicturePlan], makers: Sequence[_Maker]) -> None:
    for already in range(_AHEAD):
        for maker in makers:
            if waiting and len(maker.given) == already:
                maker.give(waiting.popleft())


class _Maker:
    """One process, its pipe, and the pictures it was given, in their order."""

    def __init__(self, section: PreprocessSection) -> None:
        self._section = section
        self.given = deque[PicturePlan]()
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._section), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def give(self, plan: PicturePlan) -> None:
        self.given.append(plan)
        with contextlib.suppress(OSError):  # a process that just died is found by its pipe's end
            self.pipe.send(plan)

    def take(self) -> tuple[PicturePlan, Outcome] | None:
        """The oldest picture given and what became of it; None where the process has died. Raises what it raised."""
        try:
            outcome = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if isinstance(outcome, Exception):
            raise outcome
        return self.given.popleft(), outcome

    def begin_again(self) -> list[PicturePlan]:
        """Take a new process in place of one that died; what the old one was given and did not answer."""
        self.end()
        lost = list(self.given)
        self.given.clear()
        self._begin()
        return lost

    def end(self) -> None:
        self.pipe.close()
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection, section: PreprocessSection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if section.focal_crop:
        import cv2

        cv2.setNumThreads(1)  # the pictures are what runs side by side
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(_make(pipe.recv(), section))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(plan: PicturePlan, section: PreprocessSection) -> Outcome | Exception:
    try:
        return make_pictures(plan, section)
    except MemoryError:
        return "it needs more memory than there is"
    except OSError as error:
        return f"cannot be read ({str(error).removeprefix(f'{plan.source} cannot be decoded: ')})"
    except Exception as error:  # noqa: BLE001
        return error  # raised where the job is told of it
