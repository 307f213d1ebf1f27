"""The cells of a sweep as all of its figures show them: names, colours, panels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tmc_sweep.config import IDENTITY_DEFAULTS
from tmc_sweep.records import CELL_COLUMNS, Status
from tmc_sweep.report.figures.style import COLOURS, MAX_COLUMNS, PALE
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.statistics.labels import differing_fields, label, telling_fields
from tmc_sweep.statistics.ranking import ranked
from tmc_sweep.store.read import plain_rows
from tmc_sweep.text import span

_MAX_PANELS = 30
_MAX_CELLS = 12  # whose pictures are shown
_FEW = 3  # fields that a label may name, whatever their values


@dataclass(frozen=True)
class DrawnCell:
    """One cell; `fields` has all of CELL_COLUMNS."""

    cell_id: str
    fields: Mapping[str, Any]
    label: str  # where it differs from the sweep's other cells
    colour: str


@dataclass(frozen=True)
class Cells:
    """Every cell that the sweep's trials have, in the order of their fields, and what tells them apart.

    Where cells are points of a grid, colour shows one field, the same in all figures, and panels the others. Where
    they are not, each has its own colour, or the best ones have and the others are pale.
    """

    all: tuple[DrawnCell, ...]
    varying: tuple[str, ...]
    hue: str | None  # the field that colour shows; None: cells

    @cached_property
    def panel_fields(self) -> tuple[str, ...]:
        """The fields that panels show."""
        return tuple(name for name in self.varying if name != self.hue) if self.hue else ()

    @cached_property
    def panels(self) -> dict[tuple[Any, ...], list[DrawnCell]]:
        """The cells of each panel, by the values of `panel_fields`."""
        panels: dict[tuple[Any, ...], list[DrawnCell]] = {}
        for cell in self.all:
            panels.setdefault(tuple(cell.fields[name] for name in self.panel_fields), []).append(cell)
        return dict(sorted(panels.items()))

    @property
    def columns(self) -> int | None:
        """How many panels make a row if columns show the values of the last panel fields; None where they cannot."""
        known = [None, *(self._columns(fields) for fields in range(1, len(self.panel_fields)))]
        return next((number for number in reversed(known) if number), None)

    def _columns(self, fields: int) -> int | None:
        """The same for so many fields."""
        rows, columns = {key[:-fields] for key in self.panels}, {key[-fields:] for key in self.panels}
        whole = len(self.panels) == len(rows) * len(columns)
        return len(columns) if whole and len(rows) > 1 and len(columns) <= MAX_COLUMNS else None

    def shared(self) -> Iterator[str]:
        """What a caption says of the fields that all cells share, such as `All cells: mnist tmc small K=20.`"""
        rows = [cell.fields for cell in self.all]
        names = [name for name in ["data", *telling_fields(rows)] if name not in self.varying] if rows else []
        if names:
            yield f"{'All cells' if len(rows) > 1 else 'Cell'}: {label(rows[0], names)}."


def cells_of(sweep: SweepTables) -> Cells:
    """The sweep's cells, from its trials."""
    names = [column.name for column in CELL_COLUMNS]
    frame = sweep.trials.drop_duplicates("cell_id").sort_values([*names, "cell_id"])
    rows = plain_rows(frame[["cell_id", *names]])
    varying = tuple(differing_fields(rows)) if rows else ()
    hue = _hue(rows, varying)
    colours = _by_value(rows, hue) if hue else _by_rank(rows, ranking(sweep))
    names = labels(rows, varying)
    cells = (DrawnCell(row["cell_id"], row, *look) for row, *look in zip(rows, names, colours, strict=True))
    return Cells(tuple(cells), varying, hue)


def labels(rows: Sequence[Mapping[str, Any]], varying: Sequence[str]) -> list[str]:
    """The name of each by the fields that vary, numbers with three digits where these tell them apart."""
    short = [_label({name: _rounded(value) for name, value in row.items()}, varying) for row in rows]
    return short if len(set(short)) == len(rows) else [_label(row, varying) for row in rows]


def _rounded(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _label(row: Mapping[str, Any], varying: Sequence[str]) -> str:
    """What tells the cell from the others; of many fields, only those that are not as usual."""
    names = varying or telling_fields([row])
    if len(varying) > _FEW:
        names = [name for name in varying if row[name] != IDENTITY_DEFAULTS.get(name)]
    return label(row, names) or "defaults"


def _hue(rows: Sequence[Mapping[str, Any]], varying: Sequence[str]) -> str | None:
    """The field that colour shows: the objective, else lr, else the last; None unless panels of it would be full."""
    if not varying:
        return None
    hue = next((name for name in ("objective", "lr") if name in varying), varying[-1])
    n_panels = len({tuple(row[name] for name in varying if name != hue) for row in rows})
    n_values = len({row[hue] for row in rows})
    full = len(rows) > 0.5 * n_panels * n_values and len(rows) >= 1.5 * n_panels
    return hue if full and n_values <= len(COLOURS) and n_panels <= _MAX_PANELS else None


def _by_value(rows: Sequence[Mapping[str, Any]], hue: str) -> list[str]:
    values = sorted({row[hue] for row in rows})
    return [COLOURS[values.index(row[hue])] for row in rows]


def _by_rank(rows: Sequence[Mapping[str, Any]], ranking: Sequence[str]) -> list[str]:
    """A colour each if there are enough, else for the best."""
    ids = [row["cell_id"] for row in rows]
    coloured = ids if len(ids) <= len(COLOURS) else ranking[: len(COLOURS) - 2]
    colours = dict(zip(coloured, COLOURS, strict=False))
    return [colours.get(cell_id, PALE) for cell_id in ids]


def ranking(sweep: SweepTables) -> list[str]:
    """The cells that have a statistic, the best first."""
    cells = ranked(sweep.summary, sweep.statistic.mode)
    return cells.loc[cells["rank"].notna(), "cell_id"].tolist()


def mean_of(epochs: pd.DataFrame, row: Mapping[Any, Any]) -> float:
    """The statistic of a summary's row whose window is shorter than the one asked for."""
    window = epochs["epoch"].between(row["first_epoch"], row["last_epoch"]) & (epochs["cell_id"] == row["cell_id"])
    return float(epochs[window].groupby("trial_id")[row["metric"]].mean().mean())


@dataclass(frozen=True)
class Pictured:
    """Cells, and of each the rows of its first seed."""

    cells: Sequence[DrawnCell]
    rows: pd.DataFrame
    n_cells: int  # that the table has

    @property
    def epochs(self) -> str:
        """After how many epochs: `60`, or `7–60` where cells differ."""
        return span(self.rows["epoch"])

    def left_out(self) -> Iterator[str]:
        """What a caption must say where cells are not shown."""
        if self.n_cells > len(self.cells):
            best = f"{len(self.cells)} best" if len(self.cells) > 1 else "best"
            yield f"The {best} of {self.n_cells} cells."


def pictured(sweep: SweepTables, cells: Cells, artefacts: pd.DataFrame) -> Pictured | None:
    """The cells that the table has, in their order, or the best by the statistic if they are many; None if none is.

    Those whose first seed diverged are left out: they would tell nothing, on axes that others need.
    """
    rows = artefacts[artefacts["seed"] == artefacts.groupby("cell_id")["seed"].transform("min")]
    diverged = sweep.trials.loc[sweep.trials["status"] == Status.DIVERGED, "trial_id"]
    known = set(rows.loc[~rows["trial_id"].isin(diverged), "cell_id"])
    there = [cell for cell in cells.all if cell.cell_id in known]
    ranks = {cell_id: rank for rank, cell_id in enumerate(ranking(sweep))}
    best = sorted(there, key=lambda cell: ranks.get(cell.cell_id, len(ranks)))[:_MAX_CELLS]
    shown = [cell for cell in there if cell in best]
    own = rows[rows["cell_id"].isin([cell.cell_id for cell in shown])]
    return Pictured(shown, own, rows["cell_id"].nunique()) if shown else None
