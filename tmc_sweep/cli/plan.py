"""What a run of a search space would train, how long that would take, and what it would cost; trains nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tmc_sweep.cluster.fleet import Fleet
from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.search.cells import known_trials
from tmc_sweep.search.early_stopping import in_turn
from tmc_sweep.shapes import count_parameters
from tmc_sweep.space import SearchSpace
from tmc_sweep.statistics.pace import Estimate, Paces, estimate, recorded_paces
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import stored_trials
from tmc_sweep.store.trials import TrialRow, missing
from tmc_sweep.sweep.forecast import Forecast, forecast


def plan_of(
    space: SearchSpace, results: Path, *, slots: int | None = None, on: Path | None = None, probe: bool = False
) -> dict[str, Any]:
    """Trials, cells and packs, what is left of them, and what that should take and cost, as JSON values.

    With `slots`, that many packs train at once; else with `on`, the machines of that cluster file train them; else
    those on which `run` would train now. `probe` measures a few steps of each shape of which nothing is known on this
    machine. InputError on a bad cluster file, CannotRunError if no machine could hold a trial.
    """
    paths = SweepPaths(results, space.name)
    rows = stored_trials(paths)
    configs = known_trials(space, rows)
    to_train, to_choose = in_turn(space, missing(configs, rows)), _to_choose(space, configs)
    manifest = read_manifest(paths)
    fleet = _fleet(space, slots, on)
    if probe and not fleet.here:
        raise InputError("--probe measures this machine, but `run` would train on others: leave it out")
    expected = forecast(
        space,
        [*to_train, *to_choose],
        rows,
        manifest.packs if manifest else (),
        fleet.nodes,
        here=fleet.here,
        probe=probe,
    )
    left = {config.trial_id: _epochs_left(config, rows.get(config.trial_id)) for config in [*to_train, *to_choose]}
    paces = recorded_paces(paths)
    jobs = [[(config.cell_id, left[config.trial_id]) for config in pack.trials] for pack in expected.packs]
    found = estimate(jobs, paces, slots or expected.slots, expected.epoch_seconds)
    cells = _cells(configs, to_train, left, rows, paces, expected)
    epochs_left = sum(left.values())
    return {
        "name": space.name,
        "n_trials": len(configs),
        "n_cells": len(cells),
        "n_to_train": len(to_train),
        "n_begun": sum(left[config.trial_id] < config.epochs for config in to_train),
        "n_cells_to_choose": len(to_choose) // len(space.seeds),
        "n_packs": len(expected.packs) if expected.packs_known else None,
        "n_cells_too_large": len(expected.too_large),
        "cells": cells,
        "trials": [_trial(config, rows.get(config.trial_id), config.trial_id in left) for config in configs],
        "time": {
            "slots": slots or expected.slots,
            "epochs_left": epochs_left,
            "scheduler": space.scheduler and space.scheduler.algorithm,
            "unmeasured_epochs": found.unmeasured_epochs if found else epochs_left,
            "trainer_hours": found and _range(found.seconds / 3600, paces.factor),
            "wall_seconds": found and _range(found.wall_seconds, paces.factor),
            "measured_on": _measured_on(rows, paces, expected),
        },
        "cost": _cost(fleet, space, expected, found, paces),
    }


def _to_choose(space: SearchSpace, configs: Sequence[TrialConfig]) -> list[TrialConfig]:
    """The trials that an adaptive search has yet to choose, as if it chose at random."""
    known = {config.cell_id for config in configs}
    others = [cell for cell in space.cells if cell.cell_id not in known]
    return [trial for cell in others[: max(0, space.n_cells - len(known))] for trial in space.trials_of(cell)]


def _fleet(space: SearchSpace, slots: int | None, on: Path | None) -> Fleet:
    if on is not None:
        return Fleet.of_file(on, space.resources)
    return Fleet.unnamed(space.resources) if slots else Fleet.of_run(space.resources)


def _epochs_left(config: TrialConfig, row: TrialRow | None) -> int:
    return max(0, config.epochs - row["epochs_done"]) if row else config.epochs


def _trial(config: TrialConfig, row: TrialRow | None, to_train: bool) -> dict[str, Any]:
    return {
        "trial_id": config.trial_id,
        "cell_id": config.cell_id,
        "seed": config.seed,
        "status": row["status"] if row else Status.PENDING,
        "to_train": to_train,
    }


def _cells(
    configs: Sequence[TrialConfig],
    to_train: Sequence[TrialConfig],
    left: Mapping[str, int],
    rows: Mapping[str, TrialRow],
    paces: Paces,
    expected: Forecast,
) -> list[dict[str, Any]]:
    firsts = {config.cell_id: config for config in reversed(configs)}
    n_seeds = Counter(config.cell_id for config in configs)
    n_to_train = Counter(config.cell_id for config in to_train)
    epochs_left: Counter[str] = Counter()
    for config in to_train:
        epochs_left[config.cell_id] += left[config.trial_id]
    gpu = {**{row["cell_id"]: row["gpu"] for row in rows.values()}, **expected.gpu}
    return [
        {
            "cell_id": cell_id,
            **{name: value for name, value in config.row().items() if name != "seed"},
            "n_parameters": count_parameters(config),
            "n_seeds": n_seeds[cell_id],
            "n_to_train": n_to_train[cell_id],
            "epochs_left": epochs_left[cell_id],
            "epoch_seconds": paces[cell_id].mean if cell_id in paces else expected.epoch_seconds.get(cell_id),
            "peak_memory_bytes": paces[cell_id].peak_memory_bytes if cell_id in paces else None,
            "gpu": gpu.get(cell_id),
        }
        for cell_id, config in reversed(firsts.items())
    ]


def _range(value: float, factor: float | None) -> dict[str, float | None]:
    return {"about": value, "low": factor and value / factor, "high": factor and value * factor}


def _measured_on(rows: Mapping[str, TrialRow], paces: Paces, expected: Forecast) -> list[str]:
    """The devices on which the seconds were measured that the estimate uses."""
    trained = {row["device"] for row in rows.values() if row["device"]}
    return [*sorted(trained), *(["this machine"] if expected.epoch_seconds.keys() - paces.keys() else [])]


def _cost(
    fleet: Fleet, space: SearchSpace, expected: Forecast, found: Estimate | None, paces: Paces
) -> dict[str, Any] | None:
    """What the machines cost, as if all that the packs fill ran from the first pack to the last; None if not known."""
    if not expected.packs or found is None:
        return None
    gpu = max(pack.gpu for pack in expected.packs)
    hourly = fleet.hourly(len(expected.packs), space.resources.cpu, gpu)
    if fleet.prices is None or hourly is None:
        return None
    hours, factor = found.wall_seconds / 3600, paces.factor or 1.0
    return {
        "currency": fleet.prices.currency,
        "low": hours / factor * hourly.low,
        "high": hours * factor * hourly.high,
        "hour_low": hourly.low,
        "hour_high": hourly.high,
    }
