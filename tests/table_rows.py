"""Fixtures for all tests: the digits, one-line configurations and rows of a small sweep."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tmc_sweep.config import TrialConfig
from tmc_sweep.images import Images, load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EpochRecord
from tmc_sweep.store.trials import TrialTable

Rows = Callable[..., list[EpochRecord]]


@pytest.fixture(scope="session")
def digits() -> Images:
    return load("digits")


@pytest.fixture
def paths(tmp_path) -> SweepPaths:
    return SweepPaths(tmp_path / "results", "grid")


@pytest.fixture
def on_record(paths: SweepPaths) -> Callable[..., None]:
    """on_record(config, ...): let the trial table have these trials, as it has those of every row."""

    def enter(*configs: TrialConfig) -> None:
        trials = TrialTable.open(paths)
        trials.ensure(configs)
        trials.commit()

    return enter


@pytest.fixture
def config() -> TrialConfig:
    return TrialConfig(seed=7, epochs=4)


@pytest.fixture
def rows() -> Rows:
    """rows(config, [v1, v2, ...], first=1): one record per value, which is its test_objective."""

    def make(config: TrialConfig, values: list[float], first: int = 1, **changes: object) -> list[EpochRecord]:
        return [record(config.trial_id, epoch, value, **changes) for epoch, value in enumerate(values, first)]

    return make


def record(trial_id: str, epoch: int, value: float, **changes: object) -> EpochRecord:
    fields: dict[str, object] = {
        **dict.fromkeys(("val_elbo", "val_iwae", "val_tmc", "val_objective"), None),
        **dict.fromkeys(("train_objective", "test_elbo", "test_iwae", "test_tmc", "test_objective"), value),
        "epoch_seconds": 1.5,
        "eval_seconds": 0.5,
        "peak_memory_bytes": 1_000,
        "grad_norm": 2.0,
        "attempt": 1,
        "time": datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=epoch),
    }
    return EpochRecord(trial_id=trial_id, epoch=epoch, **{**fields, **changes})
