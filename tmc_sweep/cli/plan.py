"""What a run of a search space would train."""

from collections import Counter
from pathlib import Path
from typing import Any

from tmc_sweep.models import count_parameters
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.sweep.planner import missing
from tmc_sweep.sweep.search import known_trials
from tmc_sweep.tables.read import stored_trials


def plan_of(space: SearchSpace, results: Path) -> dict[str, Any]:
    """Trials and cells with their parameters, and which are left to train, JSON-ready."""
    paths = SweepPaths(results, space.name)
    rows = stored_trials(paths)
    configs = known_trials(space, rows) if space.adaptive else space.trials()
    left = {config.trial_id for config in missing(configs, rows)}
    trials = [
        {
            "trial_id": config.trial_id,
            "cell_id": config.cell_id,
            "seed": config.seed,
            "status": rows[config.trial_id]["status"] if config.trial_id in rows else Status.PENDING,
            "to_train": config.trial_id in left,
        }
        for config in configs
    ]
    cells = {config.cell_id: config for config in reversed(configs)}
    n_seeds = Counter(config.cell_id for config in configs)
    n_to_train = Counter(config.cell_id for config in configs if config.trial_id in left)
    return {
        "name": space.name,
        "n_trials": len(configs),
        "n_cells": (n_cells := len(cells)),
        "n_to_train": len(left),
        "n_cells_to_choose": max(0, space.search.n_draws - n_cells) if space.adaptive else 0,
        "cells": [
            {
                "cell_id": cell_id,
                **{name: value for name, value in config.row().items() if name != "seed"},
                "n_parameters": count_parameters(config),
                "n_seeds": n_seeds[cell_id],
                "n_to_train": n_to_train[cell_id],
            }
            for cell_id, config in reversed(cells.items())
        ],
        "trials": trials,
    }
