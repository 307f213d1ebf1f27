"""Rows as training would report them: random walks, so that they compress as badly as real curves."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import EpochRecord

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
BOUNDS = ("elbo", "iwae", "tmc", "objective")


def trials(count: int) -> list[TrialConfig]:
    """Trials that differ in their seed."""
    return [TrialConfig.parse({"K": 5, "seed": seed}) for seed in range(count)]


def curve(epochs: int) -> list[EpochRecord]:
    """The epochs of a trial without a name."""
    values = -90 + np.random.default_rng(0).normal(size=(epochs, 8)).cumsum(0)
    return [_record(epoch, *map(float, row)) for epoch, row in enumerate(values, start=1)]


def named(records: list[EpochRecord], config: TrialConfig) -> Iterator[EpochRecord]:
    """The same epochs of this trial, its values a little off."""
    shift = config.seed * 1e-3
    for record in records:
        scores = {f"test_{bound}": getattr(record, f"test_{bound}") - shift for bound in BOUNDS}
        yield replace(record, trial_id=config.trial_id, train_objective=record.train_objective - shift, **scores)


def _record(epoch: int, train: float, elbo: float, iwae: float, tmc: float, *rest: float) -> EpochRecord:
    seconds, eval_seconds, norm, memory = map(abs, rest)
    return EpochRecord(
        trial_id="",
        epoch=epoch,
        train_objective=train,
        **dict.fromkeys((f"val_{bound}" for bound in BOUNDS), None),
        test_elbo=elbo,
        test_iwae=iwae,
        test_tmc=tmc,
        test_objective=tmc,
        epoch_seconds=seconds,
        eval_seconds=eval_seconds,
        peak_memory_bytes=int(2**30 + 2**20 * memory),
        grad_norm=norm,
        attempt=1,
        time=STARTED + timedelta(seconds=10 * epoch),
    )
