"""The cells of a sweep as all of its figures show them: labels, colours, panels.

What is decided once here holds for every figure: the same cell has the same colour and the same name everywhere.
"""

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
_MAX_CELLS = 12  # in a figure of pictures, or of latents
_FEW = 3  # fields: where more vary, a label names only those that are not at the article's value


@dataclass(frozen=True)
class DrawnCell:
    """One cell as figures show it."""

    cell_id: str
    fields: Mapping[str, Any]  # by column: all of CELL_COLUMNS
    label: str  # the fields in which it differs from the sweep's other cells
    colour: str


@dataclass(frozen=True)
class Cells:
    """All cells of a sweep's trials, in the order of their fields, and what tells them apart.

    If the cells are points of a grid, colour shows one field, and panels show the others. If not, there is one panel,
    and each cell has a colour of its own; of many cells only the best ones have, and the others are pale.
    """

    all: tuple[DrawnCell, ...]
    varying: tuple[str, ...]  # the fields in which the cells differ
    hue: str | None  # the field that colour shows; None if colour shows cells

    @cached_property
    def panel_fields(self) -> tuple[str, ...]:
        """The fields that panels show: all that vary but the hue; none if colour shows cells."""
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
        """How many panels are in a row, so that each column of panels shows one value of the last panel fields.

        None if the panels are no grid of rows and columns, or would be too many in a row.
        """
        known = [None, *(self._columns(fields) for fields in range(1, len(self.panel_fields)))]
        return next((number for number in reversed(known) if number), None)

    def _columns(self, fields: int) -> int | None:
        """The same if the last `fields` panel fields make the columns."""
        rows, columns = {key[:-fields] for key in self.panels}, {key[-fields:] for key in self.panels}
        whole = len(self.panels) == len(rows) * len(columns)
        return len(columns) if whole and len(rows) > 1 and len(columns) <= MAX_COLUMNS else None

    def shared(self) -> Iterator[str]:
        """A caption's sentence about what all cells share, such as `All cells: mnist tmc small K=20.`, if anything."""
        rows = [cell.fields for cell in self.all]
        names = [name for name in ["data", *telling_fields(rows)] if name not in self.varying] if rows else []
        if names:
            yield f"{'All cells' if len(rows) > 1 else 'Cell'}: {label(rows[0], names)}."


def cells_of(sweep: SweepTables) -> Cells:
    """The cells of a sweep's trials, with or without epochs."""
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
    """A name for each of these rows, made of the fields that vary; numbers have three digits where these suffice."""
    short = [_label({name: _rounded(value) for name, value in row.items()}, varying) for row in rows]
    return short if len(set(short)) == len(rows) else [_label(row, varying) for row in rows]


def _rounded(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _label(row: Mapping[str, Any], varying: Sequence[str]) -> str:
    """The label of a cell; of many varying fields it names only those that are not at their identity default."""
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
    """A colour for each cell; if there are too few colours, for the best cells in this ranking, the others pale."""
    ids = [row["cell_id"] for row in rows]
    coloured = ids if len(ids) <= len(COLOURS) else ranking[: len(COLOURS) - 2]
    colours = dict(zip(coloured, COLOURS, strict=False))
    return [colours.get(cell_id, PALE) for cell_id in ids]


def ranking(sweep: SweepTables) -> list[str]:
    """The cell_ids of the cells that have a statistic, the best first."""
    cells = ranked(sweep.summary, sweep.statistic.mode)
    return cells.loc[cells["rank"].notna(), "cell_id"].tolist()


def mean_of(epochs: pd.DataFrame, row: Mapping[Any, Any]) -> float:
    """The mean over the window in a summary's row, also where the window is too short for the row to have a mean."""
    window = epochs["epoch"].between(row["first_epoch"], row["last_epoch"]) & (epochs["cell_id"] == row["cell_id"])
    return float(epochs[window].groupby("trial_id")[row["metric"]].mean().mean())


@dataclass(frozen=True)
class Pictured:
    """The cells that a figure of reconstructions or latents shows, and the rows of the first seed of each."""

    cells: Sequence[DrawnCell]
    rows: pd.DataFrame  # of the artefact table
    n_cells: int  # how many cells the table has

    @property
    def epochs(self) -> str:
        """The epochs of the checkpoints that were used: `60`, or `7–60` where cells differ."""
        return span(self.rows["epoch"])

    def left_out(self) -> Iterator[str]:
        """A caption's sentence that says that cells are not shown, if some are not."""
        if self.n_cells > len(self.cells):
            best = f"{len(self.cells)} best" if len(self.cells) > 1 else "best"
            yield f"The {best} of {self.n_cells} cells."


def pictured(sweep: SweepTables, cells: Cells, artefacts: pd.DataFrame) -> Pictured | None:
    """The cells of an artefact table, in their order; of many the best by the statistic. None if it has none.

    Cells whose first seed diverged are left out: they would show nothing, and stretch the axes that all share.
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
