"""Cells to look for the best of: what their trials come to, and one search among them as a sweep does it.

All are of one small setting: two seeds, the digits, one latent layer; they may differ in K, learning rate, width and
weight normalisation.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.curves import curve
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Split, load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import EpochRecord, Status
from tmc_sweep.search.cells import CellSearch
from tmc_sweep.search.curves import Curves
from tmc_sweep.search.study import Study
from tmc_sweep.space import SearchSpace
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.training import Pack, TrialState

BASE = """\
version: 1
name: {name}
base:
  data: digits
  objective: iwae
  train_images: 456
  validation_images: 200
  test_images: 1
  batch_size: 64
  eval_k: 10
  epochs: {epochs}
seeds: {seeds}
statistic: {{metric: val_iwae, last: {last}}}
resources: {{cpu: 1, gpu: 0}}
"""

Train = Callable[[Sequence[TrialConfig]], list[EpochRecord]]  # all epochs of one cell's trials


def formula() -> Train:
    """Trains nothing: 0 for lr 0.01, K 8, width 16 without weight normalisation, and less for every other cell."""
    (epoch,) = curve(1)

    def train(trials: Sequence[TrialConfig]) -> list[EpochRecord]:
        value = _height(trials[0])
        return [replace(epoch, trial_id=config.trial_id, val_iwae=value) for config in trials]

    return train


def _height(cell: TrialConfig) -> float:
    off = (math.log10(cell.lr / 0.01), math.log2(cell.K / 8) / 2, math.log2(cell.architecture.latents[0] / 16) / 2)
    return -sum(x * x for x in off) - 0.25 * cell.weight_norm


def digits() -> Train:
    """Trains the trials of a cell on the digits, as one pack."""
    images = load("digits")

    def train(trials: Sequence[TrialConfig]) -> list[EpochRecord]:
        pack = Pack([TrialState.initial(config) for config in trials], Split.of(images, trials[0]))
        records: list[EpochRecord] = []
        while not all(state.finished for state in pack.states):
            records += pack.train_epoch()
        return records

    return train


def searched(space: SearchSpace, train: Train) -> list[float]:
    """The statistic of each cell of a random or adaptive search, in the order of training; NaN where one diverged."""
    curves = Curves(space.statistic.metric, {})
    statuses: dict[str, Status] = {}

    def finish(trials: Sequence[TrialConfig]) -> None:
        curves.add(trials)
        for record in train(trials):
            curves.take([record])
            statuses[record.trial_id] = Status.DIVERGED if record.diverged else Status.DONE

    if space.adaptive:
        with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
            paths = SweepPaths(Path(folder), space.name)
            with sweep_lock(paths):
                _one_by_one(CellSearch(space, Study(space, paths), curves, statuses.get), finish)
    else:
        for cell in space.cells:
            finish(space.trials_of(cell))
    return [curves.value(cell, curves.reached(cell), space.statistic.last) for cell in curves.cells]


def _one_by_one(search: CellSearch, finish: Callable[[Sequence[TrialConfig]], None]) -> None:
    while trials := search.next():
        finish(trials)
        for config in trials:
            search.ended(config)
