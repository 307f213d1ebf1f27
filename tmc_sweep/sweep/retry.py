"""Storing is tried again for some minutes if it fails in a way that may pass, such as a full disk.

Meanwhile training processes wait: they may be only a few reports ahead of the writer, so that no memory fills instead.
Storage that is very slow is mentioned once.
"""

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tmc_sweep.errors import StorageError

LIMIT_SECONDS = 300.0  # after which it is given up
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO}  # errors that may pass; each try writes a fresh temporary file
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds between two tries
_SLOW_SECONDS = 10.0
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Retry:
    """Does something that stores, and again while it fails in a way that may pass, unless `stopping()` is true."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._said_slow = False

    def until_done(self, action: Callable[[], Result]) -> Result:
        """What `action` returns, which may be called several times.

        Its StorageError is raised at once if it cannot pass or the sweep is being stopped, else after five minutes.
        """
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                result = action()
            except StorageError as error:
                waited = time.monotonic() - began
                if not _may_pass(error) or waited >= LIMIT_SECONDS or self._stopping():
                    raise
                if pause == _FIRST_PAUSE:
                    _log.warning("%s; the sweep waits, and gives up after %.0f s", error, LIMIT_SECONDS)
            else:
                self._finished(time.monotonic() - began, again=pause > _FIRST_PAUSE)
                return result
            self._sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _finished(self, seconds: float, again: bool) -> None:
        if again:
            _log.warning("the sweep goes on after %.0f s", seconds)
        elif seconds > _SLOW_SECONDS and not self._said_slow:
            self._said_slow = True
            _log.warning("storing took %.0f s: training waits for it, a few epochs ahead at most", seconds)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopping():
            time.sleep(min(0.2, seconds))


def _may_pass(error: StorageError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _PASSING
