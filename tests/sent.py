"""What a process that trains tells the recorder, as tests say it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from twin import small

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import EpochRecord, Provenance
from tmc_sweep.store.messages import Report, StartTrial

FIRST, OTHER = small(), small(seed=1)


def begin(config: TrialConfig = FIRST, pack: Sequence[TrialConfig] = (), **means: object) -> StartTrial:
    provenance = replace(Provenance("host", "cpu", 1, "eager", "versions"), **means)
    return StartTrial(config.trial_id, ids(*pack or [config]), 7, "checksum", provenance)


def ids(*pack: TrialConfig) -> tuple[str, ...]:
    return tuple(config.trial_id for config in pack)


def row(epoch: int, value: float = -50.0, config: TrialConfig = FIRST, attempt: int = 1) -> EpochRecord:
    return EpochRecord(
        trial_id=config.trial_id,
        epoch=epoch,
        **dict.fromkeys(("val_elbo", "val_iwae", "val_tmc", "val_objective"), None),
        **dict.fromkeys(("train_objective", "test_elbo", "test_iwae", "test_tmc", "test_objective"), value),
        epoch_seconds=1.0,
        eval_seconds=0.5,
        peak_memory_bytes=1,
        grad_norm=2.0,
        attempt=attempt,
        time=datetime.now(UTC),
    )


def report(*rows: EpochRecord, attempt: int = 1, checkpoint: bytes | None = None) -> Report:
    return Report(rows[0].trial_id, attempt, rows, checkpoint)
