"""Sweeps on disk whose curves are invented: every file is as a run leaves it, and nothing was trained."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tmc_sweep.config import TrialConfig
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EpochRecord, Status
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.space import parse
from tmc_sweep.store.artefacts import Artefact, upsert
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.read import stored_trials
from tmc_sweep.store.trials import TrialTable

Curve = Callable[[TrialConfig], np.ndarray]  # test_objective of epochs 1, 2, ...
TIME = datetime(2025, 1, 1, tzinfo=UTC)
MACHINE = {"host": "one", "device": "cpu", "threads": 1, "engine": "eager", "pack_size": 1}


def flat(level: Callable[[TrialConfig], float], epochs: int = 60, noise: float = 0.1) -> Curve:
    """Curves around a level that begin 100 nats below it."""

    def curve(config: TrialConfig) -> np.ndarray:
        random = np.random.default_rng(config.seed)
        return level(config) - 100 * np.exp(-np.arange(epochs)) + noise * random.standard_normal(epochs)

    return curve


def sweep(
    results: Path,
    text: str,
    curve: Curve,
    *,
    seconds: Callable[[TrialConfig], float] = lambda _: 1.0,
    known: Callable[[TrialConfig], Mapping[str, object]] = lambda _: {},
) -> SweepTables:
    """The sweep of this search space; `known` sets columns of the trial table."""
    return SweepTables.read(results, write(results, text, curve, seconds=seconds, known=known).name)


def write(
    results: Path,
    text: str,
    curve: Curve,
    *,
    seconds: Callable[[TrialConfig], float] = lambda _: 1.0,
    known: Callable[[TrialConfig], Mapping[str, object]] = lambda _: {},
) -> SweepPaths:
    """`sweep` without reading it, which takes most of the time."""
    space = parse(text, "invented.yaml")
    paths = SweepPaths(results, space.name)
    sweep_id = open_manifest(paths, text).sweep_id
    epochs, trials = EpochTable.open(paths), TrialTable(paths, sweep_id, ())
    trials.ensure(space.trials())
    for config in space.trials():
        values = curve(config)
        epochs.add(config, [_record(config, i, value, seconds(config)) for i, value in enumerate(values, 1)])
        trials.update(config.trial_id, epochs_done=len(values), **{**_end(config, values), **known(config)})
    epochs.commit()
    trials.commit()
    return paths


def add(results: Path, name: str, artefact: Artefact, rows: Callable[[Mapping[str, object]], list[dict[str, object]]]):
    """Rows of an artefact table: `rows` gives those of one row of the trial table."""
    paths = SweepPaths(results, name)
    shared = [column.name for column in artefact.columns]
    for trial in stored_trials(paths).values():
        fixed = {key: value for key, value in trial.items() if key in shared}
        upsert(artefact, paths, [{**fixed, **row} for row in rows(trial)])


def _end(config: TrialConfig, values: np.ndarray) -> dict[str, object]:
    status = Status.PENDING if not len(values) else Status.DONE if len(values) >= config.epochs else Status.RUNNING
    status = status if np.isfinite(values).all() else Status.DIVERGED
    versions = "tmc_sweep 0.1.0 torch 2.10.0 ray 2.50.0 python 3.11.7"
    machine = {**MACHINE, "data_checksum": "0123456789abcdef", "versions": versions, "started": TIME}
    return {"status": status, **(machine if len(values) else {})}


def _record(config: TrialConfig, epoch: int, value: float, seconds: float) -> EpochRecord:
    bounds = {f"test_{bound}": value for bound in ("elbo", "iwae", "tmc", "objective")}
    held_out = dict.fromkeys((f"val_{bound}" for bound in ("elbo", "iwae", "tmc", "objective")), None)
    ticks = seconds * (1 + 0.01 * (epoch % 5))
    return EpochRecord(
        config.trial_id,
        epoch,
        train_objective=value,
        **held_out,
        **bounds,
        epoch_seconds=ticks,
        eval_seconds=0.1 * ticks,
        peak_memory_bytes=1,
        grad_norm=1.0,
        attempt=1,
        time=TIME,
    )
