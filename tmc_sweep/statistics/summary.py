"""The last-epochs statistic of each cell (science, section 6): every mean and spread has a name and a stated ddof.

Article, section 4.2: mean and std (ddof 0) over the last 50 epochs; it does not say whether its runs were averaged
first. `std_epochs` averages the seeds' curves first, `std_epochs_within` does not; `std_seeds` is between runs.
A value that is not finite is never passed over: it makes its cell's statistics null, and `reason` says so.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import STATISTICS, summary_columns
from tmc_sweep.statistics.declared import declared_statistic
from tmc_sweep.statistics.windows import Runs, in_window, read_runs, reasons, windows
from tmc_sweep.store import files
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.parquet import arrow_schema, to_parquet
from tmc_sweep.store.read import columns_of


def summarize(path: str | Path, last: int | None = None, metric: str | None = None) -> pd.DataFrame:
    """One row per cell of the sweep whose epoch table is `path`: `summary_columns`, in the order of the cells' fields.

    The window is the `last` epochs up to the last one that every seed with rows has; both are as in the search space
    where they are not given. Cells of earlier numerics are left out, and a warning is logged. InputError if there is no
    such table or metric, or `last` is out of bounds.
    """
    declared = declared_statistic(SweepPaths.of_table(path), last, metric)
    return summary_of(read_runs(path, declared.last, declared.metric).told(), declared.last, declared.metric)


def summary_of(runs: Runs, last: int, metric: str) -> pd.DataFrame:
    """`summarize` of runs that were read with this `last` and `metric`."""
    window = windows(runs.trials, last)
    rows = in_window(runs, window)
    cells = runs.trials.drop_duplicates("cell_id").set_index("cell_id")[runs.fields].join(window)
    cells["n_nonfinite"] = rows.groupby("group")["nonfinite"].sum().reindex(cells.index, fill_value=0)
    unknown = reasons(runs.trials, rows, last, metric)
    cells["reason"] = pd.Series(unknown, dtype="str").reindex(cells.index)
    known = rows[~rows["group"].isin(list(unknown))].rename(columns={"group": "cell_id"})
    cells[list(STATISTICS)] = statistics(known).reindex(cells.index)
    cells = cells.reset_index().assign(metric=metric, last=last)
    names = [column.name for column in summary_columns(runs.columns)]
    return cells.sort_values([*runs.fields, "cell_id"], ignore_index=True)[names]


def write_summary(paths: SweepPaths, frame: pd.DataFrame) -> None:
    """Store a summary as the sweep's `<name>.summary.parquet`, atomically."""
    table = pa.Table.from_pandas(frame, arrow_schema(summary_columns(columns_of(paths))), preserve_index=False)
    sweep_id = open_manifest(paths).sweep_id
    files.write(paths.summary, to_parquet(table.replace_schema_metadata(None), sweep_id), paths.temporary)


def statistics(window: pd.DataFrame) -> pd.DataFrame:
    """The statistics by cell_id; the rows (cell_id, trial, epoch, value) are of cells whose every value is finite."""
    runs = window.groupby(["cell_id", "trial"])["value"]
    means, stds = runs.mean().groupby("cell_id"), runs.std(ddof=0).groupby("cell_id")
    curve = window.groupby(["cell_id", "epoch"])["value"].mean().groupby("cell_id")
    return pd.DataFrame(
        {
            "mean": means.mean(),
            "std_epochs": curve.std(ddof=0),
            "std_epochs_within": stds.mean(),
            "std_seeds": means.std(ddof=1),
        }
    )
