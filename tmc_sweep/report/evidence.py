"""What sweeps have measured, trial by trial: what claims and published numbers are held against."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmc_sweep.records import CELL_COLUMNS, Status
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.tables.read import plain_rows

Array = NDArray[np.float64]

ENDED_EARLY = (Status.DIVERGED, Status.FAILED, Status.STOPPED)
_CELL = [column.name for column in CELL_COLUMNS]
_MACHINE = ["device", "threads", "engine", "pack_size"]


@dataclass(frozen=True)
class Trial:
    """One trial, as far as it is."""

    cell_id: str
    fields: Mapping[str, Any]  # CELL_COLUMNS; eval_k is None where it follows K
    seed: int
    status: Status
    asked: int  # epochs
    machine: tuple[Any, ...]  # device, threads, engine, trials trained together: what its seconds depend on
    objective: Array  # test_objective [epochs], nats per image
    seconds: Array  # epoch_seconds [epochs]
    accuracy: float | None  # of its latents' nearest neighbours
    accuracy_epoch: int | None
    evaluations: Mapping[tuple[str, int], float]  # nats per image by bound and samples, of the newest epoch evaluated

    @property
    def last_epoch(self) -> int:
        """Epochs it has."""
        return len(self.objective)


def evidence(sweeps: Iterable[SweepTables]) -> list[Trial]:
    """Every trial that has an epoch or has ended, once: where two sweeps have the same, the one with more epochs."""
    longest: dict[str, Trial] = {}
    for sweep in sweeps:
        for trial_id, trial in _trials(sweep).items():
            if trial_id not in longest or trial.last_epoch > longest[trial_id].last_epoch:
                longest[trial_id] = trial
    return list(longest.values())


def _trials(sweep: SweepTables) -> dict[str, Trial]:
    rows = sweep.epochs.sort_values(["trial_id", "epoch"]).groupby("trial_id")[["test_objective", "epoch_seconds"]]
    curves = {str(name): (frame["test_objective"], frame["epoch_seconds"]) for name, frame in rows}
    latents, evaluations = _newest(sweep.latents), _newest(sweep.evaluations)
    return {
        row["trial_id"]: Trial(
            row["cell_id"],
            {name: row[name] for name in _CELL} | {"eval_k": row["eval_k"] if row["eval_k"] != row["K"] else None},
            row["seed"],
            _status(row, curves),
            row["epochs"],
            tuple(row[name] for name in _MACHINE),
            *(column.to_numpy(np.float64) for column in curves.get(row["trial_id"], _NOTHING)),
            *_accuracy(latents.get(row["trial_id"])),
            _values(evaluations.get(row["trial_id"])),
        )
        for row in plain_rows(sweep.trials)
        if row["trial_id"] in curves or row["status"] in ENDED_EARLY
    }


def _status(row: Mapping[str, Any], curves: Mapping[str, tuple[pd.Series, pd.Series]]) -> Status:
    """The trial's status; its rows tell of a divergence before the trial table does."""
    objective, _ = curves.get(row["trial_id"], _NOTHING)
    return Status(row["status"]) if np.isfinite(objective).all() else Status.DIVERGED


_NOTHING = (pd.Series(dtype=np.float64),) * 2


def _newest(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """An artefact table's rows of each trial's newest epoch, by trial."""
    if frame.empty:
        return {}
    newest = frame[frame["epoch"] == frame.groupby("trial_id")["epoch"].transform("max")]
    return {str(name): rows for name, rows in newest.groupby("trial_id")}


def _accuracy(latents: pd.DataFrame | None) -> tuple[float | None, int | None]:
    if latents is None:
        return None, None
    return float((latents["label"] == latents["predicted"]).mean()), int(latents["epoch"].iloc[0])


def _values(evaluations: pd.DataFrame | None) -> dict[tuple[str, int], float]:
    if evaluations is None:
        return {}
    columns = (evaluations[name] for name in ("bound", "samples", "value"))
    return {(str(bound), int(samples)): float(value) for bound, samples, value in zip(*columns, strict=True)}


def window(trials: Sequence[Trial], last: int) -> tuple[int, int]:
    """First and last epoch of the last epochs that all of these trials have: `last` of them, or all there are."""
    end = min(trial.last_epoch for trial in trials)
    return max(end - last, 0) + 1, end
