"""What training processes tell the one writer, and its answers. Rows and checkpoints travel in one ordered channel."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from tmc_sweep.records import EpochRecord, Provenance


@dataclass(frozen=True)
class StartTrial:
    """Training of a trial is about to begin, here and with these means."""

    trial_id: str
    pack: tuple[str, ...]  # the trials that are trained together, this one included
    n_parameters: int
    data_checksum: str
    provenance: Provenance
    gpu: float = 0.0  # below 1: a share of one
    process: str | None = None  # names this process and no other


@dataclass(frozen=True)
class Started:
    """The attempt is on record: its number, and the newest checkpoint to go on from, if there is one."""

    attempt: int
    checkpoint: bytes | None


@dataclass(frozen=True)
class Report:
    """Epochs of one trial, and its checkpoint after the last of them if one is due."""

    trial_id: str
    attempt: int
    records: tuple[EpochRecord, ...]
    checkpoint: bytes | None = None
    members: int = 1  # trials that were trained together in these epochs, this one included


@dataclass(frozen=True)
class Failed:
    """A trial cannot go on, and why, in one sentence."""

    trial_id: str
    attempt: int
    reason: str


@dataclass(frozen=True)
class Ack:
    """The message is durable; or `refused`: the trial has ended, or a later attempt at it has begun."""

    refused: bool


Message = StartTrial | Report | Failed
Reply = Started | Ack


class Channel(Protocol):
    """The way from a training process to the writer."""

    @property
    def refused(self) -> Collection[str]:
        """The trials whose messages were refused, by the replies so far."""

    @property
    def stopping(self) -> bool:
        """Whether the sweep is being stopped, so that an epoch in progress is to be dropped."""

    def ask(self, messages: Sequence[Message]) -> list[Reply]:
        """Send, and wait until the messages are acted on and durable."""

    def send(self, messages: Sequence[Message]) -> None:
        """Send without waiting, but never far ahead of the writer."""

    def flush(self) -> None:
        """Wait until all that was sent is durable."""
