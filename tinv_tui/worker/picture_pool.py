"""Makes pictures in processes of their own, a bounded number at a time, so that all cores work and memory stays the same.

They never write a file, so that they can be ended at any moment. One that is killed, by a broken decoder or for its
memory, costs the picture it had, no more.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

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
    processes = min(section.processes or len(os.sched_getaffinity(0)), len(plans))
    waiting, suspects = deque(plans), deque[PicturePlan]()
    pool = _start(processes, section)
    running: dict[Future[Outcome], PicturePlan] = {}
    try:
        while waiting or suspects or running:
            # After a death nobody knows whose fault it was: those that were under way come again, one by one.
            source, most = (suspects, 1) if suspects else (waiting, _AHEAD * processes)
            broken = False
            while source and len(running) < most:
                try:
                    running[pool.submit(_make, source[0], section)] = source[0]
                except BrokenProcessPool:
                    broken = True
                    break
                source.popleft()
            was_alone = most == 1
            ready, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            check()
            for future in ready:
                plan = running.pop(future)
                try:
                    yield plan, future.result()
                except BrokenProcessPool:
                    broken = True
                    if was_alone:
                        yield plan, "its decoder crashed, or it needs more memory than there is"
                    else:
                        suspects.append(plan)
            if broken:
                suspects.extend(running.values())
                running.clear()
                pool.shutdown()
                pool = _start(processes, section)
    finally:
        pool.shutdown(cancel_futures=True)


def _start(processes: int, section: PreprocessSection) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _set_up, (section.focal_crop,))


def _set_up(with_opencv: bool) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if with_opencv:
        import cv2

        cv2.setNumThreads(1)  # the pictures are what runs side by side


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(plan: PicturePlan, section: PreprocessSection) -> Outcome:
    try:
        return make_pictures(plan, section)
    except MemoryError:
        return "it needs more memory than there is"
    except OSError as error:
        return f"cannot be read ({str(error).removeprefix(f'{plan.source} cannot be decoded: ')})"
