"""Trials in memory, as evidence of claims."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tmc_sweep.article.evidence import Trial
from tmc_sweep.config import TrialConfig
from tmc_sweep.records import Status
from tmc_sweep.registry import BOUNDS

ARTICLE = {"data": "mnist", "objective": "tmc", "architecture": "small", "K": 20, "lr": 1e-3}
MACHINE = {"device": "cpu", "host": "one", "threads": 1, "engine": "eager", "pack_size": 1, "gpu": 0.0}


def trial(values: float | np.ndarray = -1.0, epochs: int = 60, seed: int = 0, **fields: object) -> Trial:
    """A trial whose objective is `values` in each of its epochs, or these; it has the article's Table 1 settings."""
    config = TrialConfig.parse({**ARTICLE, **fields, "seed": seed})
    objective = np.broadcast_to(np.asarray(values, float), (epochs,)) if np.ndim(values) == 0 else values
    return of(config, objective)


def of(config: TrialConfig, objective: np.ndarray, **changes: Any) -> Trial:
    """A trial with this curve; `changes` are fields of the trial."""
    row = config.row()
    fields = {name: row[name] for name in row if name not in ("epochs", "seed")}
    fields |= {"eval_k": None if config.eval_k == config.K else config.eval_k}
    status = Status.DONE if np.isfinite(objective).all() else Status.DIVERGED
    known: Mapping[str, Any] = {
        "sweep": "sweep",
        "cell_id": config.cell_id,
        "fields": fields,
        "seed": config.seed,
        "status": status,
        "asked": config.epochs,
        "machine": MACHINE,
        "beside": 1,
        "process": None,
        "objective": objective,
        "bounds": dict.fromkeys(BOUNDS, objective),
        "seconds": np.full(len(objective), 2.0),
        "accuracy": None,
        "evaluations": {},
    }
    return Trial(**{**known, **changes})
