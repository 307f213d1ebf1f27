"""A sweep's published copy, kept up to date by a thread while the sweep runs. An error there never stops the sweep."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tmc_sweep.errors import TmcSweepError
from tmc_sweep.store.publish import Publication

INTERVAL_SECONDS = 60.0
_FIRST_SECONDS = 1.0  # before the first update, soon: what is wrong with the place should be known early
_LAST_TRIES = 3  # at the end of the sweep
_PAUSE_SECONDS = 5.0  # between these
_SILENT_SECONDS = 120.0  # that one file may take at the end
_HURRY_SECONDS = 10.0  # that all files may take at the end, after a signal or an error
_log = logging.getLogger(__name__)


class Publisher:
    """A thread that updates a copy every minute, and once more at the end."""

    def __init__(self, publication: Publication) -> None:
        self.problem: str | None = None  # why the copy is not up to date; None if it is
        self._publication = publication
        self._ending = threading.Event()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tmc-sweep-publisher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def finish(self, hurry: bool) -> None:
        """Update the copy a last time; `problem` says afterwards how that went.

        It is given up if it takes too long, in a `hurry` after ten seconds.
        """
        self._ending.set()
        copied, since = self._publication.n_copied, time.monotonic()
        limit = _HURRY_SECONDS if hurry else _SILENT_SECONDS
        while self._thread.is_alive() and time.monotonic() - since < limit:
            self._thread.join(0.1)
            if not hurry and copied != self._publication.n_copied:
                copied, since = self._publication.n_copied, time.monotonic()
        self._left.set()
        if self._thread.is_alive():
            self.problem = self.problem or f"the copy at {self._publication.uri} was not finished within {limit:g} s"

    def _work(self) -> None:
        pause = _FIRST_SECONDS
        while not self._ending.wait(pause):
            self._update()
            pause = INTERVAL_SECONDS
        for _ in range(_LAST_TRIES):
            if self._update() or self._left.wait(_PAUSE_SECONDS):
                break

    def _update(self) -> bool:
        try:
            self._publication.update()
        except Exception as error:  # whatever it is, the sweep goes on
            said = str(error) if isinstance(error, TmcSweepError) else f"{type(error).__name__}: {error}"
            if self.problem is None:
                _log.warning("%s; the sweep goes on, and the copy is tried again", said)
            self.problem = said
            return False
        if self.problem is not None:
            _log.warning("the copy at %s is up to date again", self._publication.uri)
        self.problem = None
        return True


@contextmanager
def publishing(publication: Publication | None) -> Iterator[Callable[[], str | None]]:
    """The copy is kept up to date while inside, and once more at the end; nothing is done without a publication.

    Yields a function that says, at any time, why the copy is not up to date; None if it is.
    """
    if publication is None:
        yield lambda: None
        return
    publisher = Publisher(publication)
    publisher.start()
    try:
        yield lambda: publisher.problem
    except BaseException:  # a signal's, or a mistake that should be told soon
        publisher.finish(hurry=True)
        raise
    publisher.finish(hurry=False)
