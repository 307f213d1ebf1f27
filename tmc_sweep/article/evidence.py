"""Evidence: what sweeps have measured, trial by trial. Claims and published numbers are held against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tmc_sweep.config import follows
from tmc_sweep.records import CELL_COLUMNS, ENDED_EARLY, Status
from tmc_sweep.registry import BOUNDS
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.statistics.processes import Process, processes
from tmc_sweep.store.read import plain_rows

Array = NDArray[np.float64]

LAST = 50  # the window of the article's statistic, in epochs
_FAMILY = "vae"  # the article's family of models
_CELL = [column.name for column in CELL_COLUMNS]
_CURVES = ["test_objective", *(f"test_{bound}" for bound in BOUNDS), "epoch_seconds"]
_MACHINE = ["device", "host", "processor", "threads", "engine", "pack_size", "gpu"]


@dataclass(frozen=True)
class Accuracy:
    """How well the latents of a trial separate the classes: the vote of their nearest neighbours."""

    value: float  # the share of test images whose neighbours vote for their class
    images: int
    epoch: int  # of the checkpoint


@dataclass(frozen=True)
class Trial:
    """What was measured of one trial so far."""

    sweep: str
    cell_id: str
    fields: Mapping[str, Any]  # CELL_COLUMNS; eval_k is None where it follows K
    seed: int
    status: Status
    asked: int  # epochs asked for
    machine: Mapping[str, Any]  # columns on which seconds depend, of its last attempt
    process: Process | None  # that trained its last attempt; None: not on record
    beside: int  # how many processes trained on its host at once, its own included
    objective: Array  # test_objective [epochs], nats per image
    bounds: Mapping[str, Array]  # by bound: test_elbo, test_iwae and test_tmc [epochs], of the same samples
    seconds: Array  # epoch_seconds [epochs of its last attempt]
    accuracy: Accuracy | None  # None: no latents were computed
    evaluations: Mapping[tuple[str, int], float]  # by bound and samples: nats per image at the newest epoch evaluated

    @property
    def last_epoch(self) -> int:
        """How many epochs it has."""
        return len(self.objective)


def evidence(sweep: SweepTables) -> list[Trial]:
    """The sweep's trials of the article's family of models that have an epoch, or ended without one."""
    curves = _by_trial(sweep.epochs.sort_values(["trial_id", "epoch"]))
    latents, evaluations = _by_trial(_newest(sweep.latents)), _by_trial(_newest(sweep.evaluations))
    process = processes(sweep.attempts)
    return [
        _trial(
            sweep.name,
            row | {"beside": sweep.beside.get(row["trial_id"], 1), "process": process.get(row["trial_id"])},
            *(frames.get(row["trial_id"]) for frames in (curves, latents, evaluations)),
        )
        for row in plain_rows(sweep.trials)
        if row["model"] == _FAMILY and (row["trial_id"] in curves or row["status"] in ENDED_EARLY)
    ]


def _trial(
    sweep: str,
    row: Mapping[str, Any],
    epochs: pd.DataFrame | None,
    latents: pd.DataFrame | None,
    evaluations: pd.DataFrame | None,
) -> Trial:
    rows = pd.DataFrame(columns=["attempt", *_CURVES]) if epochs is None else epochs
    objective, *bounds = (rows[name].to_numpy(np.float64) for name in _CURVES[:-1])
    timed = rows[rows["attempt"] == rows["attempt"].max()]
    return Trial(
        sweep=sweep,
        cell_id=row["cell_id"],
        fields={name: row[name] for name in _CELL} | {"eval_k": None if follows("eval_k", row) else row["eval_k"]},
        seed=row["seed"],
        # the epoch table tells of a divergence some seconds before the trial table does
        status=Status(row["status"]) if np.isfinite(objective).all() else Status.DIVERGED,
        asked=row["epochs"],
        machine={name: row[name] for name in _MACHINE},
        beside=row["beside"],
        process=row["process"],
        objective=objective,
        bounds=dict(zip(BOUNDS, bounds, strict=True)),
        seconds=timed["epoch_seconds"].to_numpy(np.float64),
        accuracy=None if latents is None else _accuracy(latents),
        evaluations={} if evaluations is None else _values(evaluations),
    )


def _accuracy(latents: pd.DataFrame) -> Accuracy:
    right = latents["label"] == latents["predicted"]
    return Accuracy(float(right.mean()), len(right), int(latents["epoch"].iloc[0]))


def _by_trial(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): rows for name, rows in frame.groupby("trial_id")} if len(frame) else {}


def _newest(artefacts: pd.DataFrame) -> pd.DataFrame:
    """An artefact table's rows at the newest epoch of each trial."""
    if artefacts.empty:
        return artefacts
    return artefacts[artefacts["epoch"] == artefacts.groupby("trial_id")["epoch"].transform("max")]


def _values(evaluations: pd.DataFrame) -> dict[tuple[str, int], float]:
    columns = (evaluations[name] for name in ("bound", "samples", "value"))
    return {(str(bound), int(samples)): float(value) for bound, samples, value in zip(*columns, strict=True)}


def window(trials: Sequence[Trial], last: int) -> tuple[int, int]:
    """The window of these trials: first and last of the `last` epochs that all of them have, or of all there are."""
    end = min(trial.last_epoch for trial in trials)
    return max(end - last, 0) + 1, end
