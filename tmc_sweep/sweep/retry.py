"""What fails for want of room is tried again for some minutes, and storage that is slow is spoken of once.

Meanwhile training processes wait, a few reports ahead of the writer at most, so that no memory fills instead.
"""

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tmc_sweep.errors import StorageError

LIMIT_SECONDS = 300.0
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO}  # each try writes a fresh temporary file
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_SLOW_SECONDS = 10.0
_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Retry:
    """Does what writes, again if it fails in a way that may pass, unless the sweep is to stop."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._stopping = stopping
        self._said_slow = False

    def until_done(self, action: Callable[[], Result]) -> Result:
        """What `action` returns, which may be called several times; StorageError once that has been too long."""
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
