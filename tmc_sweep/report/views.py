"""A sweep's tables as the page shows them: headers with the columns' meanings, and cells with keys to sort by.

Each function here makes one table of the page. "Cell" alone means a cell of the sweep; a cell of a table on the page is
a `TableCell`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tmc_sweep.config import follows
from tmc_sweep.records import (
    CELL_COLUMNS,
    CELL_FIELDS,
    COUNTS,
    DIFFERENCES,
    EVALUATION_COLUMNS,
    PER_IMAGE,
    STATISTICS,
    SUMMARY_COLUMNS,
    TRIAL_COLUMNS,
    Column,
)
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.statistics.labels import differing_fields, telling_fields
from tmc_sweep.statistics.paired import CONFIDENCE
from tmc_sweep.statistics.ranking import ranked
from tmc_sweep.store.artefacts import over_seeds
from tmc_sweep.store.read import plain_rows
from tmc_sweep.text import decimals, shown

MAX_ROWS = 1_000  # of one table; the others are counted


_DIGITS = {PER_IMAGE: 3, "seconds": 2}  # decimals by unit
_SIGNED = set(DIFFERENCES) - {"std_difference"}
_INTERVAL = f"of the {CONFIDENCE:.0%} interval of Student's t"
_DIFFERENCE_COLUMNS = (
    Column("by", "string", "", "the field in which two cells differ, all else being equal"),
    Column("value", "string", "", "its value in one cell"),
    Column("baseline", "string", "", "its value in the cell that is subtracted"),
    *CELL_COLUMNS,
    Column("mean_difference", "float64", PER_IMAGE, "mean over the seeds that both cells have"),
    Column("low", "float64", PER_IMAGE, _INTERVAL),
    Column("high", "float64", PER_IMAGE, _INTERVAL),
    Column("std_difference", "float64", PER_IMAGE, "std (ddof 1) over these seeds"),
    Column("n_seeds", "int64", "", "seeds that both cells have"),
)
_EVALUATIONS = (
    *(column for column in EVALUATION_COLUMNS if column.name != "standard_error"),
    Column("mean", "float64", PER_IMAGE, "mean over seeds of the bound"),
    Column("std_seeds", "float64", PER_IMAGE, "std (ddof 1) over seeds; null for one seed"),
    Column("standard_error", "float64", PER_IMAGE, "over the test images, mean over seeds"),
    Column("n_seeds", "int64", "", "seeds evaluated at this epoch"),
)


@dataclass(frozen=True)
class Header:
    """A column's header."""

    title: str
    meaning: str = ""  # shown when the mouse rests on it
    numeric: bool = False


@dataclass(frozen=True)
class TableCell:
    """One cell of a table; its column is sorted by `key`, as numbers if all keys of the column are numbers."""

    text: str
    key: str = ""  # "": sorted last
    flags: tuple[str, ...] = ()  # short remarks beside the text


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    title: str
    heads: tuple[Header, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    left_out: int = 0  # rows beyond MAX_ROWS


def summary(sweep: SweepTables) -> Table:
    """The declared statistic, a row per cell; the best first if cells were searched."""
    rows = plain_rows(ranked(sweep.summary, sweep.statistic.mode) if sweep.searched else sweep.summary)
    names = [*(telling_fields(rows) if rows else ()), *STATISTICS, *COUNTS]
    order = ", the best first" if sweep.searched else ""
    title = f"Summary: {sweep.statistic.metric}, last {sweep.statistic.last} epochs{order}"
    return table(title, SUMMARY_COLUMNS, names, rows, STATISTICS)


def trials(sweep: SweepTables) -> Table:
    """Every trial with its status; of its fields those in which trials differ."""
    rows = plain_rows(sweep.trials)
    reasons = ["reason"] if any(row["reason"] for row in rows) else []
    fields = differing_fields(rows) if rows else ()
    machine = ["pack_size", *(["gpu"] if any(row["gpu"] for row in rows) else []), "host", "device"]
    names = ["trial_id", *fields, "seed", "status", *reasons, "epochs_done", "epochs", "attempts", *machine]
    return table("Trials", TRIAL_COLUMNS, names, rows)


def evaluations(sweep: SweepTables) -> Table:
    """What `tmc-sweep evaluate` computed: a row per cell, epoch, bound and number of samples."""
    groups = sweep.evaluations.groupby(["cell_id", "epoch", "bound", "samples"], sort=False)
    rows = [over_seeds(seeds) for _, seeds in groups] if len(sweep.evaluations) else []
    fields = telling_fields(rows) if rows else ()
    names = [*fields, "epoch", "bound", "samples", "mean", "std_seeds", "standard_error", "n_seeds"]
    return table("Evaluations", _EVALUATIONS, names, rows)


def differences(sweep: SweepTables) -> Table:
    """Paired differences between cells that differ in one field, by each field that varies."""
    rows = plain_rows(sweep.differences)
    fields = [name for name in CELL_FIELDS if len({row.get(name) for row in rows} - {None}) > 1]
    if all(row["eval_k"] is None or follows("eval_k", row) for row in rows):
        fields = [name for name in fields if name != "eval_k"]
    names = ["by", "value", "baseline", *fields, *DIFFERENCES, "n_seeds"]
    return table("Paired differences", _DIFFERENCE_COLUMNS, names, rows, DIFFERENCES)


def table(
    title: str,
    columns: Iterable[Column],
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    explained: Sequence[str] = (),
) -> Table:
    """The columns `names` of the first MAX_ROWS rows, each a mapping by column.

    In a row that lacks one of the columns `explained`, its `reason` stands in the first of these.
    """
    by_name = {column.name: column for column in columns}
    known = [by_name[name] for name in names]
    cells = tuple(_row(known, row, explained) for row in rows[:MAX_ROWS])
    return Table(title, tuple(map(_head, known)), cells, max(0, len(rows) - MAX_ROWS))


def number_cell(value: object, text: str) -> TableCell:
    """A cell that shows this text and sorts by the number; last if there is none."""
    unknown = value is None or (isinstance(value, float) and math.isnan(value))
    return TableCell(text, "" if unknown else str(value))


def _head(column: Column) -> Header:
    meaning = f"{column.meaning} ({column.unit})" if column.unit else column.meaning
    return Header(column.name, meaning, column.dtype in ("int64", "float64"))


def _row(columns: Sequence[Column], row: Mapping[str, Any], explained: Sequence[str]) -> tuple[TableCell, ...]:
    lacking = next((name for name in explained if row[name] is None), None)
    return tuple(
        TableCell(row["reason"] or "") if column.name == lacking else _cell(column, row[column.name])
        for column in columns
    )


def _cell(column: Column, value: Any) -> TableCell:
    sign = "+" if column.name in _SIGNED else "-"
    digits = _DIGITS.get(column.unit) if isinstance(value, float) else None
    return number_cell(value, shown(value) if digits is None else decimals(value, digits, sign))
