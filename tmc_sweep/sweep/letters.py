"""What training processes tell the one writer, and its answers. Rows and checkpoints travel in one ordered channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tmc_sweep.records import EpochRecord


@dataclass(frozen=True)
class Begin:
    """Training of a trial is about to begin, here and with these means."""

    trial_id: str
    n_parameters: int
    host: str
    device: str
    threads: int
    data_checksum: str
    versions: str


@dataclass(frozen=True)
class Begun:
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


@dataclass(frozen=True)
class Stored:
    """The report is durable; without `go_on` it was refused, because the trial failed or a later attempt has begun."""

    go_on: bool


Letter = Begin | Report
Reply = Begun | Stored


class Channel(Protocol):
    """The way from a training process to the writer."""

    def ask(self, letters: Sequence[Letter]) -> list[Reply]:
        """Send, and wait until the letters are acted on and durable."""

    def send(self, letters: Sequence[Letter]) -> bool:
        """Send without waiting, but never far ahead of the writer; whether to go on, by the replies so far."""

    def flush(self) -> bool:
        """Wait until all that was sent is durable; whether to go on."""
