"""A stored trial, trained again from its first epoch: does every value come out as it is on record, to the bit?

On a CPU with the same processor, threads, engine and versions it must; `Reproduction` says what differs and what is
doubtful, so that an unequal value can be judged. Nothing is written.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from tmc_sweep.data import load
from tmc_sweep.errors import InputError
from tmc_sweep.integrity.stored_trial import StoredTrial
from tmc_sweep.records import OUTCOME_COLUMNS, EpochRecord
from tmc_sweep.shapes import pack_key
from tmc_sweep.store.parts import same
from tmc_sweep.training import threads, train
from tmc_sweep.training.provenance import of_this_process

Listener = Callable[[int, int], None]  # called with the epochs done and those to do


class Difference(NamedTuple):
    """The first value that did not come out as it is stored."""

    epoch: int
    column: str
    recorded: float | None  # NaN: not finite; None: not evaluated
    here: float | None


class Means(NamedTuple):
    """One of the means of training, such as the processor, that is not the one on record."""

    what: str  # a column of the trial table
    recorded: object
    here: object


@dataclass(frozen=True)
class Reproduction:
    """What came of training a trial again."""

    trial: StoredTrial
    epochs: int  # that were to be compared
    n_equal: int  # epochs before the first that differs
    difference: Difference | None  # None: all values are equal
    means: tuple[Means, ...]  # those that are on record and differ here
    doubts: tuple[str, ...]  # why equality is not promised, a sentence each


def reproduce(trial: StoredTrial, epochs: int | None = None, listener: Listener = lambda *_: None) -> Reproduction:
    """Train the trial's first epochs again, all that are stored if `epochs` is None, until one differs.

    It trains alone and eagerly, with the recorded number of threads, and on a GPU if the trial was trained on one and
    there is one here. `listener` is called after each equal epoch. InputError if `epochs` is not positive, or the data
    set is not here and cannot be downloaded.
    """
    if epochs is not None and epochs < 1:
        raise InputError(f"epochs must be a positive integer, but got {epochs}: leave it out to compare all")
    stored = trial.epochs.measured.num_rows
    n = min(epochs or stored, stored)
    on_gpu = trial.row["device"] not in ("cpu", None) and torch.cuda.is_available()
    images = load(trial.config.data)
    config = trial.config.model_copy(update={"epochs": n})
    with threads(trial.row["threads"]):
        here = of_this_process("cuda" if on_gpu else "cpu", "eager")
        n_equal, difference = 0, None
        for record in train(config, images=images, device="cuda" if on_gpu else "cpu"):
            difference = _difference(trial.epochs.record(record.epoch), record)
            if difference:
                break
            n_equal = record.epoch
            listener(n_equal, n)
    found = {**vars(here), "data_checksum": images.checksum[:16]}
    means = tuple(
        Means(name, trial.row[name], here) for name, here in found.items() if trial.row[name] not in (None, here)
    )
    return Reproduction(trial, n, n_equal, difference, means, tuple(_doubts(trial)))


def _difference(stored: EpochRecord, record: EpochRecord) -> Difference | None:
    for name, recorded, here in zip(OUTCOME_COLUMNS, stored.outcome(), record.outcome(), strict=True):
        if not same(recorded, here):
            return Difference(record.epoch, name, recorded, here)
    return None


def _doubts(trial: StoredTrial) -> Iterator[str]:
    row = trial.row
    if row["device"] not in ("cpu", None):
        yield f"it was trained on a GPU ({row['device']}), whose rounding depends on the pack and the libraries"
    if row["engine"] not in ("eager", "graph", None):
        yield f"it was trained with engine {row['engine']}, which rounds in another order than eager here"
    if (row["pack_size"] or 1) > 1 and pack_key(trial.config) == trial.config.trial_id:
        yield f"it was trained in a pack of {row['pack_size']}, and has widths that are not multiples of 4"
    earlier = trial.epochs.record(1).attempt
    if earlier < row["attempts"]:
        yield f"its first epochs are of attempt {earlier} of {row['attempts']}, and the means of the last are on record"
