"""Trials of an earlier numerics version: the same fields mean other numbers today (`config.numerics`).

Their rows stay in the tables as they are, but such trials are neither trained further nor compared with others. Who
compares leaves them out by `without`, and says so by `left_out`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from tmc_sweep.config import EarlierConfig, numerics
from tmc_sweep.records import FIXED_COLUMNS
from tmc_sweep.store.read import plain_rows
from tmc_sweep.store.trials import config_by_columns

WHY = "an earlier version drew their pixels (binarize: dynamic) from the random numbers of the samples"


def is_earlier(row: Mapping[str, Any]) -> bool:
    """Whether the trial of this row, of any table, is of an earlier numerics version."""
    return numerics(row["binarize"]) > 1 and isinstance(config_by_columns(row), EarlierConfig)


def earlier_cells(rows: pd.DataFrame) -> set[str]:
    """The cell_ids of the cells of an earlier numerics version among these rows, of any table."""
    changed = rows[rows["binarize"].map(numerics) > 1].drop_duplicates("cell_id")
    return {row["cell_id"] for row in plain_rows(changed[[column.name for column in FIXED_COLUMNS]]) if is_earlier(row)}


def earlier_configs(rows: pd.DataFrame) -> list[EarlierConfig]:
    """The configurations of the trials of an earlier numerics version among these rows, which are one per trial."""
    found = map(config_by_columns, plain_rows(rows[[column.name for column in FIXED_COLUMNS]]))
    return [config for config in found if isinstance(config, EarlierConfig)]


def without(rows: pd.DataFrame, cells: Collection[str]) -> pd.DataFrame:
    """The rows, of any table, that are not of these cells, numbered from 0."""
    return rows[~rows["cell_id"].isin(cells)].reset_index(drop=True) if cells else rows


def left_out(sweep: str, earlier: Sequence[EarlierConfig], trained: Collection[str]) -> str:
    """The sentence that says which trials of a sweep a comparison leaves out, why, and what to do.

    `trained` names the trials that have rows: it tells whether all were trained anew under their new names.
    """
    trials = "1 trial is" if len(earlier) == 1 else f"{len(earlier)} trials are"
    done = all(config.anew.trial_id in trained for config in earlier)
    fix = "they were trained anew under other names" if done else "run the sweep to train them anew"
    return f"{trials} left out of {sweep}, since {WHY}: {fix}"
