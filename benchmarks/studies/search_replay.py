"""A scheduler's decisions from epochs that a grid recorded, as if its cells were begun in another order."""

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from tmc_sweep import read_epochs
from tmc_sweep.records import EpochRecord
from tmc_sweep.search.curves import Curves
from tmc_sweep.search.early_stopping import EarlyStopping
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.schema import Scheduler

History = Mapping[str, Sequence[Sequence[EpochRecord]]]  # by cell: what its seeds recorded, epoch by epoch


class Replay(NamedTuple):
    """What was trained: rows of the epoch table, and the cells that were not stopped."""

    rows: int
    kept: set[str]


def recorded(table: Path) -> History:
    """The epochs of every cell of a sweep."""
    names = [field.name for field in fields(EpochRecord)]
    history: defaultdict[str, list[list[EpochRecord]]] = defaultdict(list)
    for row in read_epochs(table).sort_values("epoch", kind="stable").to_dict("records"):
        epochs = history[str(row["cell_id"])]
        if row["epoch"] > len(epochs):
            epochs.append([])
        epochs[-1].append(EpochRecord(**{name: row[name] for name in names}))
    return dict(history)


def replayed(grid: SearchSpace, scheduler: Scheduler, history: History, order: Sequence[str], slots: int = 2) -> Replay:
    """Begin these cells in this order, each as soon as a slot is free, and let the scheduler stop them."""
    curves = Curves(grid.statistic.metric, {})
    curves.add(grid.trials())
    stopping = EarlyStopping(scheduler, grid.statistic, curves)
    waiting = deque(order)
    running: list[tuple[float, str, int]] = []  # when an epoch ends, of which cell, and which
    rows, kept = 0, set()

    def train(now: float, cell: str, epoch: int) -> None:
        heapq.heappush(running, (now + history[cell][epoch][0].epoch_seconds, cell, epoch))

    for cell in [waiting.popleft() for _ in range(min(slots, len(order)))]:
        train(0.0, cell, 0)
    while running:
        now, cell, epoch = heapq.heappop(running)
        stopped = False
        for record in history[cell][epoch]:
            curves.take([record])
            decision = stopping.decide(cell)
            stopped |= bool(decision and decision.stop)
        rows += len(history[cell][epoch])
        if not stopped and epoch + 1 < len(history[cell]):
            train(now, cell, epoch + 1)
            continue
        if not stopped:
            kept.add(cell)
        if waiting:
            train(now, waiting.popleft(), 0)
    return Replay(rows, kept)
