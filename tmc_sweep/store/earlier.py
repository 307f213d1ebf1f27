"""Cells of earlier numerics: what their numbers mean has changed since, as their names say.

Their trials stay as they are, but are neither trained further nor compared with others.
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
    """Whether the trial of this row, of any table, is of earlier numerics."""
    return numerics(row["binarize"]) > 1 and isinstance(config_by_columns(row), EarlierConfig)


def earlier_cells(rows: pd.DataFrame) -> set[str]:
    """The cells of earlier numerics among these rows, of any table, by cell_id."""
    cells = rows.drop_duplicates("cell_id")
    return {row["cell_id"] for row in plain_rows(cells[[column.name for column in FIXED_COLUMNS]]) if is_earlier(row)}


def earlier_configs(rows: pd.DataFrame) -> list[EarlierConfig]:
    """The trials of earlier numerics among these rows, one per trial."""
    found = map(config_by_columns, plain_rows(rows[[column.name for column in FIXED_COLUMNS]]))
    return [config for config in found if isinstance(config, EarlierConfig)]


def without(rows: pd.DataFrame, cells: Collection[str]) -> pd.DataFrame:
    """The rows, of any table, that are not of these cells."""
    return rows[~rows["cell_id"].isin(cells)].reset_index(drop=True) if cells else rows


def left_out(sweep: str, earlier: Sequence[EarlierConfig], trained: Collection[str]) -> str:
    """The sentence that says of which trials a comparison says nothing; `trained` names those that have rows."""
    trials = "1 trial is" if len(earlier) == 1 else f"{len(earlier)} trials are"
    done = all(config.anew.trial_id in trained for config in earlier)
    fix = "they were trained anew under other names" if done else "run the sweep to train them anew"
    return f"{trials} left out of {sweep}, since {WHY}: {fix}"
