"""Early stopping: how much of a grid `asha` and `median` train, and whether they come to its best cell.

    python -m benchmarks.studies.search_stopping --epochs 90 --orders 50 --json

`tmc-sweep run` trains a grid (K, learning rate, width, weight normalisation; two seeds) in full, then with either
scheduler. What a scheduler decides depends on which cells came before: its decisions are also replayed from the grid's
epochs, as two slots would have had them recorded, with the cells in random orders; so too for grids of other seeds.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple, TypedDict

import numpy as np
import pandas as pd

from benchmarks import command
from benchmarks.studies.search_cells import BASE
from benchmarks.studies.search_replay import recorded, replayed
from benchmarks.sweep import run
from tmc_sweep import read_epochs
from tmc_sweep.space import SearchSpace, parse
from tmc_sweep.space.schema import Scheduler
from tmc_sweep.statistics.ranking import ranking

SPACE = """\
space:
  K: {{grid_search: {K}}}
  lr: {{grid_search: {lr}}}
  architecture: {{grid_search: [{{latents: [8]}}, {{latents: [32]}}]}}
  weight_norm: {{grid_search: [false, true]}}
"""


Space = Callable[..., SearchSpace]  # of a name, a seed, and what else its text says
_GRACE = Scheduler().grace_epochs


class Row(TypedDict):
    """One scheduler on the cells of two seeds: run by the command, or replayed."""

    scheduler: str
    seeds: str
    by: str
    orders: int  # of the cells: the command's own, or random ones
    epochs_percent: float  # of the grid's, median over the orders
    most_epochs_percent: float
    best_found_percent: float  # of the orders, those in which the grid's best cell comes out best
    worst_rank: int  # in the grid, of the cell that comes out best
    worst_regret: float  # nats of the statistic that this cell is below the grid's best


class Ended(NamedTuple):
    """What a sweep that stops cells comes to: rows of its epoch table, and the cell that comes out best."""

    rows: int
    best: str


def rows(
    K: command.Ks = (4, 16),
    lr: Annotated[Sequence[float], "learning rates of the grid"] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    epochs: Annotated[int, "of each trial of the grid"] = 90,
    seeds: Annotated[Sequence[int], "the first of a cell's two"] = (0, 2, 4),
    orders: Annotated[int, "that are replayed"] = 50,
    grace_epochs: Annotated[int, "of either scheduler"] = _GRACE,
) -> Iterator[Row]:
    """Run and replayed, for each seed; the command runs the schedulers of the first only."""
    space = partial(_space, [*K], [*lr], epochs)
    schedulers = [Scheduler(algorithm=name, grace_epochs=grace_epochs) for name in ("asha", "median")]
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        for seed in seeds:
            yield from measure(seed, Path(folder), space, schedulers, orders, also_run=seed == seeds[0])


def measure(
    seed: int, folder: Path, space: Space, schedulers: Sequence[Scheduler], orders: int, *, also_run: bool
) -> Iterator[Row]:
    """The grid of this seed and the next, and what either scheduler makes of it."""
    grid = space("grid", seed)
    ranks = _swept(grid, folder).set_index("cell_id")
    history = recorded(folder / grid.name)
    shuffled = [np.random.default_rng(number).permutation([*history]).tolist() for number in range(orders)]
    total = sum(len(records) for epochs in history.values() for records in epochs)
    for scheduler in schedulers:
        if also_run:
            ran = space(scheduler.algorithm, seed, f"scheduler: {scheduler.model_dump_json()}\n")
            yield _row(scheduler, seed, "run", [_run(ran, folder)], ranks, total)
        replays = [replayed(grid, scheduler, history, order) for order in shuffled]
        ended = [Ended(replay.rows, next(cell for cell in ranks.index if cell in replay.kept)) for replay in replays]
        yield _row(scheduler, seed, "replay", ended, ranks, total)


def _run(space: SearchSpace, folder: Path) -> Ended:
    best = _swept(space, folder)["cell_id"].iloc[0]
    return Ended(len(read_epochs(folder / space.name)), best)


def _space(
    ks: Sequence[int], lrs: Sequence[float], epochs: int, name: str, seed: int, scheduler: str = ""
) -> SearchSpace:
    head = BASE.format(name=f"{name}-{seed}", seeds=[seed, seed + 1], epochs=epochs, last=min(10, epochs))
    return parse(head + SPACE.format(K=ks, lr=lrs) + scheduler, name)


def _swept(space: SearchSpace, folder: Path) -> pd.DataFrame:
    """The cells of the sweep, ranked, once `tmc-sweep run` has trained it."""
    file = folder / f"{space.name}.yaml"
    file.write_text(space.text)
    run(file, folder)
    statistic = space.statistic
    return ranking(folder / space.name, statistic.last, statistic.metric, statistic.mode)


def _row(scheduler: Scheduler, seed: int, by: str, ended: Sequence[Ended], ranks: pd.DataFrame, rows: int) -> Row:
    """`ranks` and `rows` are the grid's."""
    percents = [100 * end.rows / rows for end in ended]
    found = ranks.loc[[end.best for end in ended]]
    return {
        "scheduler": scheduler.algorithm,
        "seeds": f"{seed}, {seed + 1}",
        "by": by,
        "orders": len(ended),
        "epochs_percent": median(percents),
        "most_epochs_percent": max(percents),
        "best_found_percent": 100 * float((found["rank"] == 1).mean()),
        "worst_rank": int(found["rank"].max()),
        "worst_regret": float(ranks["mean"].iloc[0] - found["mean"].min()),
    }


main = command.of(rows)

if __name__ == "__main__":
    main()
