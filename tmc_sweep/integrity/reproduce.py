"""Training a stored trial again, from its first epoch, and whether every value comes out as it is on record."""

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

Listener = Callable[[int, int], None]  # epochs done, of so many


class Difference(NamedTuple):
    """The first value that did not come out as stored."""

    epoch: int
    column: str
    recorded: float | None
    here: float | None


class Means(NamedTuple):
    """One of the means of a training that is not what it was."""

    what: str
    recorded: object
    here: object


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    trial: StoredTrial
    epochs: int  # to compare
    n_equal: int  # before the first that differs
    difference: Difference | None
    means: tuple[Means, ...]  # those on record that differ
    doubts: tuple[str, ...]  # why equality is not promised, a sentence each


def reproduce(trial: StoredTrial, epochs: int | None = None, listener: Listener = lambda *_: None) -> Reproduction:
    """Train the trial's first epochs again, all that are stored if None, until one differs.

    It trains with as many threads as recorded, on a GPU if that was one and there is one, alone and eagerly.
    InputError if `epochs` is not positive or the data set cannot be had.
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
    if row["engine"] not in ("eager", None):
        yield f"it was trained with engine {row['engine']}, which rounds in another order than eager here"
    if (row["pack_size"] or 1) > 1 and pack_key(trial.config) == trial.config.trial_id:
        yield f"it was trained in a pack of {row['pack_size']}, and has widths that are not multiples of 4"
    earlier = trial.epochs.record(1).attempt
    if earlier < row["attempts"]:
        yield f"its first epochs are of attempt {earlier} of {row['attempts']}, and the means of the last are on record"
