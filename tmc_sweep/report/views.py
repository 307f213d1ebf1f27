"""A sweep's tables as a page shows them: columns with their meaning, cells with the key that sorts them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tmc_sweep.records import EVALUATION_COLUMNS, SUMMARY_COLUMNS, TRIAL_COLUMNS, Column
from tmc_sweep.report.comparison import QUARTILES, Comparison
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.report.text import decimals, place, printed, shown
from tmc_sweep.tables.labels import telling_fields
from tmc_sweep.tables.read import plain_rows
from tmc_sweep.tables.runs import CELL_FIELDS

MAX_ROWS = 1_000  # of one table: a page of more is no page

_DECIMALS = {
    *("mean", "std_epochs", "std_epochs_within", "std_seeds", "standard_error"),
    *("mean_difference", "std_difference", "low", "high"),
}
_SIGNED = ("mean_difference", "low", "high")
_DIFFERENCES = {
    "by": "the field in which two cells differ, all else being equal",
    "value": "its value in one cell",
    "baseline": "its value in the cell that is subtracted",
    "mean_difference": "mean over common seeds, nats per image",
    "low": "of the 95 % interval of Student's t",
    "high": "of the 95 % interval of Student's t",
    "std_difference": "std (ddof 1) over common seeds, nats per image",
    "n_seeds": "seeds that both cells have",
}
_STATISTICS = ("mean", "std_epochs", "std_epochs_within", "std_seeds")
_COUNTS = ("n_seeds", "n_epochs", "n_nonfinite")


@dataclass(frozen=True)
class Head:
    """A column's header."""

    title: str
    meaning: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Cell:
    """One cell; `key` sorts it, as a number where all keys of its column are."""

    text: str
    key: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table; `left_out` rows are not in it."""

    title: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0


def summary(sweep: SweepTables) -> Table:
    """The declared statistic, a row per cell."""
    rows = plain_rows(sweep.summary)
    reasons = ["reason"] if any(row["reason"] for row in rows) else []
    names = [*(telling_fields(rows) if rows else ()), *_STATISTICS, *_COUNTS, *reasons]
    title = f"Summary: {sweep.statistic.metric}, last {sweep.statistic.last} epochs"
    return table(title, SUMMARY_COLUMNS, names, rows)


def trials(sweep: SweepTables) -> Table:
    """Every trial and where it stands."""
    rows = plain_rows(sweep.trials)
    reasons = ["reason"] if any(row["reason"] for row in rows) else []
    fields = telling_fields(rows) if rows else ()
    names = ["trial_id", *fields, "seed", "status", "epochs_done", "epochs", "attempts", "host", "device", *reasons]
    return table("Trials", TRIAL_COLUMNS, names, rows)


def evaluations(sweep: SweepTables) -> Table:
    """What `tmc-sweep evaluate` computed."""
    rows = plain_rows(sweep.evaluations)
    fields = telling_fields(rows) if rows else ()
    names = [*fields, "seed", "epoch", "bound", "samples", "value", "standard_error", "seconds"]
    return table("Evaluations", EVALUATION_COLUMNS, names, rows)


def differences(sweep: SweepTables) -> Table:
    """Paired differences between cells, by each field that varies."""
    rows = plain_rows(sweep.differences)
    fields = [name for name in CELL_FIELDS if len({row.get(name) for row in rows}) > 1]
    reasons = ["reason"] if any(row["reason"] for row in rows) else []
    measured = ["mean_difference", "low", "high", "std_difference", "n_seeds"]
    names = ["by", "value", "baseline", *fields, *measured, *reasons]
    heads = tuple(Head(name, _DIFFERENCES.get(name, ""), name in _DECIMALS or name == "n_seeds") for name in names)
    cells = tuple(tuple(_cell(name, row[name]) for name in names) for row in rows[:MAX_ROWS])
    return Table("Paired differences", heads, cells, max(0, len(rows) - MAX_ROWS))


def table(title: str, columns: Iterable[Column], names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    """These columns of these rows, the first MAX_ROWS."""
    known = {column.name: column for column in columns}
    cells = tuple(tuple(_cell(name, row[name]) for name in names) for row in rows[:MAX_ROWS])
    return Table(title, tuple(_head(known[name]) for name in names), cells, max(0, len(rows) - MAX_ROWS))


def beside(source: str, comparisons: Sequence[Comparison]) -> Table:
    """The numbers of one table or section of the article beside ours, all of one metric."""
    timed = comparisons[0].number.metric == "epoch_seconds"
    digits, spreads = (2, QUARTILES) if timed else (3, _STATISTICS[1:])
    what = "seconds of an epoch" if timed else "nats per image"
    heads = (
        Head("cell, and where it is not like for like"),
        Head("published", f"as printed, {what}", numeric=True),
        Head("ours", "median over epochs" if timed else _meaning("mean"), numeric=True),
        Head("difference", "ours less the article's, or less the nearest end of its range", numeric=True),
        *(Head(name, "over epochs" if timed else _meaning(name), numeric=True) for name in spreads),
    )
    return Table(f"{source}: {what}", heads, tuple(_beside(each, digits, spreads) for each in comparisons))


def _beside(each: Comparison, digits: int, spreads: Sequence[str]) -> tuple[Cell, ...]:
    where = place(each.where)
    return (
        Cell(where, where, each.departures),
        Cell(printed(each.number), _key(each.number.value)),
        Cell(each.why or decimals(each.value, digits), _key(each.value)),
        Cell(decimals(each.difference, digits, "+"), _key(each.difference)),
        *(Cell(decimals(each.spreads.get(name), digits), _key(each.spreads.get(name))) for name in spreads),
    )


def _head(column: Column) -> Head:
    meaning = f"{column.meaning} ({column.unit})" if column.unit else column.meaning
    return Head(column.name, meaning, column.dtype in ("int64", "float64"))


def _meaning(name: str) -> str:
    return next(column.meaning for column in SUMMARY_COLUMNS if column.name == name)


def _cell(name: str, value: Any) -> Cell:
    text = decimals(value, sign="+" if name in _SIGNED else "-") if name in _DECIMALS else shown(value)
    return Cell(text, _key(value))


def _key(value: object) -> str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)
