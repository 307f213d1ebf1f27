"""Messages from training processes to the one writer, and its replies.

Who trains a pack sends `StartTrial` for each trial, then a `Report` for each epoch, or `Failed`; the writer replies
once the message is durable. Rows and checkpoints travel through one channel in order, so that a checkpoint is never on
record before the rows that it follows. `Channel` is what training needs of it, whether by Ray or by a call.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from tmc_sweep.records import EpochRecord, Provenance


@dataclass(frozen=True)
class StartTrial:
    """Training of a trial is about to begin, in this process and with these means."""

    trial_id: str
    pack: tuple[str, ...]  # the trials that are trained together, this one included
    n_parameters: int
    data_checksum: str
    provenance: Provenance
    gpu: float = 0.0  # below 1: a share of one
    process: str | None = None  # names this process and no other


@dataclass(frozen=True)
class Started:
    """The reply to StartTrial: the attempt is on record.

    `attempt` counts from 1 and must stand in every later message; `checkpoint` is the content of the trial's newest
    whole checkpoint, from which it goes on, or None to begin anew.
    """

    attempt: int
    checkpoint: bytes | None


@dataclass(frozen=True)
class Report:
    """Epochs of one trial, one at least, and its checkpoint after the last of them if one is due."""

    trial_id: str
    attempt: int
    records: tuple[EpochRecord, ...]
    checkpoint: bytes | None = None
    members: int = 1  # trials that were trained together in these epochs, this one included


@dataclass(frozen=True)
class Failed:
    """A trial cannot go on; `reason` says why, in one sentence."""

    trial_id: str
    attempt: int
    reason: str


@dataclass(frozen=True)
class Ack:
    """The reply to every other message: it is durable, or `refused`.

    Refused is what comes after a trial has ended, or from an attempt after which a later one has begun. Who gets such a
    reply no longer trains the trial.
    """

    refused: bool


Message = StartTrial | Report | Failed
Reply = Started | Ack


class Channel(Protocol):
    """The way from who trains to the writer: `sweep/channel.py` by Ray, `sweep/inline.py` by a direct call."""

    @property
    def refused(self) -> Collection[str]:
        """The trials whose messages were refused, by the replies so far."""

    @property
    def stopping(self) -> bool:
        """Whether the sweep is being stopped: an epoch in progress is then to be dropped."""

    def ask(self, messages: Sequence[Message]) -> list[Reply]:
        """Send messages, and wait for their replies: until all of them are durable."""

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages without waiting for their replies, unless the writer is already far behind."""

    def flush(self) -> None:
        """Wait until all that was sent is durable."""
