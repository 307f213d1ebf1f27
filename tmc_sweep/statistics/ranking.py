"""Cells in the order of a sweep's statistic. A cell whose mean is unknown, since a seed diverged, say, has no rank."""

from pathlib import Path
from typing import Literal

import pandas as pd

from tmc_sweep.records import DIFFERENCES
from tmc_sweep.statistics.paired import differences_to_first
from tmc_sweep.statistics.summary import summary_of
from tmc_sweep.statistics.windows import read_runs
from tmc_sweep.store.earlier import earlier_cells, without
from tmc_sweep.store.read import read_trials

_NO_ROWS = dict.fromkeys(("first_epoch", "last_epoch", "n_seeds", "n_epochs", "n_nonfinite"), 0)


def ranked(summary: pd.DataFrame, mode: Literal["max", "min"]) -> pd.DataFrame:
    """The summary in the order of its means, with each cell's `rank`, 1 for the best.

    Cells without a mean have no rank (NA) and come last. Of equal means the one that the summary has first is first.
    """
    known = summary[summary["mean"].notna()].sort_values("mean", ascending=mode == "min", kind="stable")
    frame = pd.concat([known, summary[summary["mean"].isna()]], ignore_index=True)
    rank = pd.Series(range(1, len(frame) + 1), dtype="Int64")
    return frame.assign(rank=rank.where(frame["mean"].notna()))


def ranking(path: str | Path, last: int, metric: str, mode: Literal["max", "min"]) -> pd.DataFrame:
    """All cells of the sweep whose epoch table is `path`, in the order of the statistic; also those without epochs.

    Columns: those of the summary; `rank`; and each ranked cell less the first one, as `paired_differences` would have
    it: `mean_difference`, `low`, `high`, `std_difference`, and `n_common`, the number of seeds. Errors as `summarize`.
    """
    runs = read_runs(path, last, metric).told()
    summary = summary_of(runs, last, metric)
    trials = read_trials(path)
    trials = without(trials, earlier_cells(trials))
    unseen = trials[~trials["cell_id"].isin(summary["cell_id"])].drop_duplicates("cell_id")
    waiting = unseen[["cell_id", *runs.fields]].assign(metric=metric, last=last, reason="no epochs yet", **_NO_ROWS)
    frame = ranked(pd.concat([summary, waiting], ignore_index=True), mode)
    known = frame[frame["rank"].notna()]["cell_id"].tolist()
    found = differences_to_first(runs, known, last, metric).rename(columns={"n_seeds": "n_common"})
    found["n_common"] = found["n_common"].astype("Int64")
    return frame.join(found[[*DIFFERENCES, "n_common"]], on="cell_id")
