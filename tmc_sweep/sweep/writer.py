"""The one writer of a running sweep: it lets the recorder apply messages, commits, and shows what is durable.

A message's reply is given only after the commit, so whoever has a reply knows that what it sent is on disk.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import EpochRecord, Status
from tmc_sweep.statistics.pace import Paces
from tmc_sweep.store.messages import Message, Reply, Report
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.sweep.progress import Listener, Progress, TrialProgress
from tmc_sweep.sweep.retry import Retry

_log = logging.getLogger(__name__)

Deferred = Callable[[], AbstractContextManager[None]]


class Writer:
    """A recorder that one thread at a time may use, until it is closed; and the sweep's progress.

    - `listener` is called with a Snapshot after each commit
    - `check_held` raises if the sweep's lock is no longer ours
    - `stopping` says whether the sweep is being stopped; if not, full storage is waited for
    - `expected` is how many trials there will be once an adaptive search has chosen all of them
    - `recorded` has the paces of earlier runs
    - `deferred` makes a block that no signal breaks off
    """

    def __init__(
        self,
        recorder: Recorder,
        configs: Sequence[TrialConfig],
        listener: Listener | None,
        check_held: Callable[[], None],
        stopping: Callable[[], bool],
        expected: int = 0,
        recorded: Paces | None = None,
        deferred: Deferred = nullcontext,
    ) -> None:
        self.recorder = recorder
        self._check_held = check_held
        self._deferred = deferred
        self._leaving = False
        self._retry = Retry(lambda: self._leaving or stopping())
        self._writing = threading.Lock()
        self._configs = {config.trial_id: config for config in configs}
        self._listener = listener
        self.progress = Progress([self._trial(trial_id) for trial_id in self._configs], expected, recorded)

    def deliver(self, messages: list[Message]) -> list[Reply]:
        """Apply the messages and commit; when this returns the replies, what they acknowledge is durable.

        StorageError if it cannot be stored, at once or after waiting for room.
        """
        with self._writes():
            self._check_held()
            replies = [self._retry.until_done(partial(self.recorder.receive, message)) for message in messages]
            self._retry.until_done(self._commit)
        for message in messages:
            members = message.members if isinstance(message, Report) else None
            self.progress.update(self._trial(message.trial_id, members), _newly_trained(message))
        if messages:
            self.show()
        return replies

    def show(self) -> None:
        """Let the listener see how the sweep stands; one that fails is called no more, and training goes on."""
        with self._deferred():
            try:
                if self._listener:
                    self._listener(self.progress.snapshot())
            except SystemExit:  # what rich raises when its terminal is gone
                self._listener = None
            except Exception:
                self._listener = None
                _log.exception("The sweep goes on, but its progress is shown no more, since the listener failed:")

    def add(self, configs: Sequence[TrialConfig]) -> None:
        """Put trials on record, durably, that an adaptive search has chosen since the sweep began."""
        with self._writes():
            self._configs |= {config.trial_id: config for config in configs}
            self.recorder.add(configs)
            self._retry.until_done(self._commit)
        for config in configs:
            self.progress.update(self._trial(config.trial_id))

    def fail(self, trial_id: str, reason: str) -> None:
        """Record, durably, that training of this trial failed, and why, unless it had ended in another way."""
        with self._writes():
            self.recorder.fail(trial_id, reason)
            self._retry.until_done(self._commit)
        self.progress.update(self._trial(trial_id))

    def leave(self) -> None:
        """Take note that the sweep ends: storage is waited for no longer."""
        self._leaving = True

    def close(self) -> None:
        """Store what there is, with nothing running any more. A thread that is still at work changes nothing then."""
        self.leave()
        with self._writes():
            try:
                self.recorder.release(datetime.now(UTC))
                self._commit()
            finally:
                self._check_held = _closed

    @contextmanager
    def _writes(self) -> Iterator[None]:
        with self._deferred(), self._writing:
            yield

    def _commit(self) -> None:
        self._check_held()
        self.recorder.commit()

    def _trial(self, trial_id: str, members: int | None = None) -> TrialProgress:
        row = self.recorder.row(trial_id)
        return TrialProgress(
            self._configs[trial_id],
            Status(row["status"]),
            self.recorder.last(trial_id),
            row["reason"],
            members or row["pack_size"] or 1,
        )


def _newly_trained(message: Message) -> list[EpochRecord]:
    """A report's epochs that its own attempt trained: without the history with which a resumed trial begins."""
    return [each for each in message.records if each.attempt == message.attempt] if isinstance(message, Report) else []


def _closed() -> None:
    raise RuntimeError("a closed writer commits nothing")
