"""Two sweeps compared cell by cell: each one's mean, and the difference over the seeds that both have."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from tmc_sweep.errors import InputError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.statistics.paired import differences, of_common_seeds
from tmc_sweep.statistics.summary import summary_of
from tmc_sweep.statistics.windows import Runs, read_runs

_OF_SIDE = ("mean", "std_seeds", "last_epoch", "seeds_only", "reason")  # columns of either sweep, with a_ or b_ before


def compare(first: str | Path, second: str | Path, last: int, metric: str) -> pd.DataFrame:
    """One row per cell that either of two sweeps has, in the order of the cells' fields.

    The sweeps are given by the folders that are their epoch tables, the window by its length `last` in epochs.

    Columns:

    - `cell_id` and the cell's fields, `metric`, `last`
    - `a_mean`, `a_std_seeds`, `a_last_epoch`, `a_reason`: as the first sweep's summary has them, in nats per image
    - `a_seeds_only`: the seeds that only the first sweep has
    - `b_mean` to `b_seeds_only`: the same of the second sweep
    - `mean_difference`: the second less the first, mean over the seeds that both have
    - `std_difference`, `low`, `high`, `n_seeds`, `first_epoch`, `last_epoch`, `reason`: as in `paired_differences`

    Cells of earlier numerics are left out, and a warning is logged. InputError if a table or the metric does not exist,
    both sweeps are the same, or `last` is out of bounds.
    """
    names = [SweepPaths.of_table(path).name for path in (first, second)]
    if Path(first).resolve() == Path(second).resolve():
        raise InputError(f"two sweeps are compared, but got {names[0]!r} twice: name another one")
    runs = [read_runs(path, last, metric).told() for path in (first, second)]
    fields = list(dict.fromkeys(field for of_sweep in runs for field in of_sweep.fields))
    cells = pd.concat([of_sweep.trials for of_sweep in runs]).drop_duplicates("cell_id").sort_values(fields)
    frame = cells.set_index("cell_id")[fields].assign(metric=metric, last=last)
    for side, of_sweep, other in zip("ab", runs, reversed(runs), strict=True):
        found = summary_of(of_sweep, last, metric).set_index("cell_id")
        alone = of_sweep.trials[~of_sweep.trials["trial_id"].isin(other.trials["trial_id"])]
        seeds = {cell: sorted(group.tolist()) for cell, group in alone.groupby("cell_id")["seed"]}
        found["seeds_only"] = [seeds.get(cell, []) for cell in found.index]
        frame = frame.join(found[list(_OF_SIDE)].add_prefix(f"{side}_"))
    paired = differences(_side_by_side(runs, names), frame.index, last, metric)
    for side, name in zip("ab", names, strict=True):
        paired.loc[frame[f"{side}_last_epoch"].isna(), "reason"] = f"{name} has no run of this cell"
    return frame.join(paired).reset_index()


def _side_by_side(runs: list[Runs], names: list[str]) -> Runs:
    """The runs of the seeds that both sweeps have, with `sign` -1 for the first sweep's and 1 for the second's."""
    starts = (0, len(runs[0].values))
    trials = pd.concat(
        [
            of_sweep.trials.assign(
                sign=sign, start=of_sweep.trials["start"] + start, run=of_sweep.trials["run"] + f" of {name}"
            )
            for of_sweep, sign, start, name in zip(runs, (-1, 1), starts, names, strict=True)
        ],
        ignore_index=True,
    )
    values = pa.chunked_array([chunk for each in runs for chunk in each.values.chunks])
    return of_common_seeds(runs[0]._replace(trials=trials, values=values))
