"""Whose pictures are shown, of all that an artefact table has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from tmc_sweep.records import Status
from tmc_sweep.report.figures.cells import Cells, DrawnCell, ranking
from tmc_sweep.report.figures.text import span
from tmc_sweep.report.tables import SweepTables

_MAX_CELLS = 12


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
