"""Early stopping: how much of a grid `asha` and `median` train, and whether they come to its best cell.

    python -m benchmarks.studies.search_stopping --epochs 90 --orders 50 --json

`tmc-sweep run` trains a grid (K, learning rate, width, weight normalisation; two seeds) in full, then with either
scheduler. What a scheduler decides depends on which cells came before: its decisions are also replayed from the grid's
epochs, as two slots would have had them recorded, with the cells in random orders; so too for grids of other seeds.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypedDict

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, replay, and print a table or JSON."""
    parser = command.parser(__doc__, rounds=None)
    command.add_cases(parser, K=(4, 16))
    parser.add_argument("--lr", nargs="+", type=float, default=[1e-3, 3e-3, 1e-2, 3e-2, 1e-1])
    parser.add_argument("--epochs", type=int, default=90, help="of each trial of the grid")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 2, 4], help="the first of a cell's two")
    parser.add_argument("--orders", type=int, default=50, help="that are replayed")
    parser.add_argument("--grace-epochs", type=int, default=Scheduler().grace_epochs, help="of either scheduler")
    options = command.parse(parser, arguments)
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        rows = [row for seed in options.seeds for row in measure(seed, Path(folder), options)]
    command.show(rows, as_json=options.json)


def measure(seed: int, folder: Path, options: Any) -> list[Row]:
    """The grid of this seed and the next, and what either scheduler makes of it; the command only of the first."""
    grid = _space("grid", seed, options)
    ranks = _swept(grid, folder).set_index("cell_id")
    history = recorded(folder / grid.name)
    orders = [np.random.default_rng(number).permutation([*history]).tolist() for number in range(options.orders)]
    total = sum(len(records) for epochs in history.values() for records in epochs)
    rows = []
    for algorithm in ("asha", "median"):
        scheduler = Scheduler(algorithm=algorithm, grace_epochs=options.grace_epochs)
        if seed == options.seeds[0]:
            rows.append(_row(scheduler, seed, "run", [_run(scheduler, seed, folder, options)], ranks, total))
        replays = [replayed(grid, scheduler, history, order) for order in orders]
        ended = [Ended(replay.rows, next(cell for cell in ranks.index if cell in replay.kept)) for replay in replays]
        rows.append(_row(scheduler, seed, "replay", ended, ranks, total))
    return rows


def _run(scheduler: Scheduler, seed: int, folder: Path, options: Any) -> Ended:
    space = _space(scheduler.algorithm, seed, options, f"scheduler: {scheduler.model_dump_json()}\n")
    best = _swept(space, folder)["cell_id"].iloc[0]
    return Ended(len(read_epochs(folder / space.name)), best)


def _space(name: str, seed: int, options: Any, scheduler: str = "") -> SearchSpace:
    last = min(10, options.epochs)
    text = BASE.format(name=f"{name}-{seed}", seeds=[seed, seed + 1], epochs=options.epochs, last=last)
    return parse(text + SPACE.format(K=options.K, lr=options.lr) + scheduler, name)


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


if __name__ == "__main__":
    main()
