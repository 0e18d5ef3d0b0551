"""Does work for an ordered list in threads, a bounded way ahead of whoever takes the results."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_MOST_THREADS = 4
_MORE_THAN_THREADS = 2
"""Results that may wait while all threads are busy."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def read_ahead(items: Sequence[_Item], read: Callable[[_Item], _Result]) -> Generator[_Result]:
    """``read`` of each item, in their order; what it raises comes in its place and ends the rest.

    To be closed where it is left early: it then waits for what is being read at that moment.
    """
    threads = max(1, min(_MOST_THREADS, len(os.sched_getaffinity(0)), len(items)))
    waiting, begun = iter(items), deque[Future[_Result]]()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
    try:
        while True:
            for item in waiting:
                begun.append(pool.submit(read, item))
                if len(begun) >= threads + _MORE_THAN_THREADS:
                    break
            if not begun:
                return
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Allowance:
    """So much of something that threads share. Who wants more than there is gets all of it, alone."""

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._left = amount
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, wanted: int) -> Iterator[None]:
        """Wait until it is there, and give it back at the end."""
        wanted = min(wanted, self._amount)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= wanted)
            self._left -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._left += wanted
                self._changed.notify_all()
