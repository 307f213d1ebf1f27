"""What a run of a search space would train."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tmc_sweep.config import TrialConfig
from tmc_sweep.models import count_parameters
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space import SearchSpace
from tmc_sweep.sweep.planner import missing, packs, slots_here
from tmc_sweep.sweep.search import known_trials
from tmc_sweep.tables.manifest import read_manifest
from tmc_sweep.tables.pace import Paces, estimate, measured
from tmc_sweep.tables.read import stored_trials
from tmc_sweep.training import pack_key


def plan_of(space: SearchSpace, results: Path, slots: int | None = None) -> dict[str, Any]:
    """Trials and cells with their parameters, which are left to train, and how long that should take, JSON-ready.

    `slots` processes train at once; as many as this machine has cores for if None.
    """
    paths = SweepPaths(results, space.name)
    rows = stored_trials(paths)
    configs = known_trials(space, rows) if space.adaptive else space.trials()
    to_train = missing(configs, rows)
    left = {config.trial_id: _epochs_left(config, rows.get(config.trial_id)) for config in to_train}
    paces = measured(paths)
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
    n_to_train = Counter(config.cell_id for config in to_train)
    epochs_left: Counter[str] = Counter()
    for config in to_train:
        epochs_left[config.cell_id] += left[config.trial_id]
    return {
        "name": space.name,
        "n_trials": len(configs),
        "n_cells": (n_cells := len(cells)),
        "n_to_train": len(left),
        "n_begun": sum(epochs < config.epochs for config, epochs in zip(to_train, left.values(), strict=True)),
        "n_cells_to_choose": max(0, space.search.n_draws - n_cells) if space.adaptive else 0,
        "cells": [
            {
                "cell_id": cell_id,
                **{name: value for name, value in config.row().items() if name != "seed"},
                "n_parameters": count_parameters(config),
                "n_seeds": n_seeds[cell_id],
                "n_to_train": n_to_train[cell_id],
                "epochs_left": epochs_left[cell_id],
                "epoch_seconds": paces[cell_id].mean if cell_id in paces else None,
            }
            for cell_id, config in reversed(cells.items())
        ],
        "trials": trials,
        "time": _time(space, paths, to_train, left, paces, slots or slots_here(space.resources.cpu)),
    }


def _epochs_left(config: TrialConfig, row: Mapping[str, object] | None) -> int:
    return max(0, config.epochs - int(str(row["epochs_done"]))) if row else config.epochs


def _time(
    space: SearchSpace,
    paths: SweepPaths,
    to_train: Sequence[TrialConfig],
    left: Mapping[str, int],
    paces: Paces,
    slots: int,
) -> dict[str, Any]:
    """How long what is left should take in the packs that it is on record in, or will be; null where unknown."""
    asked = None if space.resources.pack == "auto" else space.resources.pack
    manifest = read_manifest(paths)
    of_processes = packs(to_train, lambda _: asked or 1, pack_key, manifest.packs if manifest else (), asked)
    jobs = [[(config.cell_id, left[config.trial_id]) for config in pack] for pack in of_processes]
    found = estimate(jobs, paces, slots)
    total = sum(left.values())
    return {
        "slots": slots,
        "epochs_left": total,
        "unmeasured_epochs": found.unmeasured_epochs if found else total,
        "trainer_hours": found and _range(found.seconds / 3600, paces.factor),
        "wall_seconds": found and _range(found.wall_seconds, paces.factor),
    }


def _range(value: float, factor: float | None) -> dict[str, float | None]:
    return {"about": value, "low": factor and value / factor, "high": factor and value * factor}
