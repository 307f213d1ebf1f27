"""A heat map: the statistic of each cell over two numeric fields, K and lr if they vary (article, Figure 2)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import matplotlib as mpl
import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from tmc_sweep.records import ENDED_EARLY, Status
from tmc_sweep.report.figures.averages import foot
from tmc_sweep.report.figures.cells import Cells, DrawnCell, mean_of, ranking
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import canvas
from tmc_sweep.report.figures.text import is_number, metric_name
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.statistics.labels import label
from tmc_sweep.text import counted, decimals, short, wrapped

Kind = Literal["known", "short", "diverged", "stopped", "missing"]  # whether a cell has a mean, or why not

_FIRST = ("K", "lr")  # the fields for y and x, if they vary
_MAX_VALUES = 12  # of either field
_MAX_MAPS = 6
_COLOURS = "cividis"
_KINDS: dict[Status, Kind] = {Status.DIVERGED: "diverged", Status.FAILED: "missing", Status.STOPPED: "stopped"}


@dataclass(frozen=True)
class Entry:
    """What the map shows of one cell."""

    text: str
    kind: Kind
    value: float | None = None  # that its colour shows; None: white


@dataclass(frozen=True)
class Heatmap:
    """The cells over two numeric fields, in one map for each combination of the other fields that vary."""

    y: str
    x: str
    maps: Mapping[tuple[Any, ...], list[DrawnCell]]  # by the values of `others`
    others: tuple[str, ...]

    def values(self, name: str) -> list[Any]:
        """All values of the field y or x, ascending."""
        return sorted({cell.fields[name] for cells in self.maps.values() for cell in cells})


def heatmap(sweep: SweepTables, cells: Cells) -> Figure | None:
    """The figure; None unless the sweep is a grid over two numbers and has epochs."""
    grid = heatmap_of(cells)
    if grid is None or sweep.epochs.empty:
        return None
    shown = entries(sweep, cells)
    caption = " ".join(_caption(sweep, cells, grid, shown))
    title = f"{metric_name(sweep.statistic.metric)} over {grid.y} and {grid.x}"
    return Figure("heatmap", title, caption, partial(_draw, sweep, grid, shown))


def heatmap_of(cells: Cells) -> Heatmap | None:
    """The grid to draw; None if fewer than two numbers vary, or the cells fill less than half of a grid."""
    numeric = [name for name in cells.varying if all(is_number(cell.fields[name]) for cell in cells.all)]
    numeric.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    if len(numeric) < 2:
        return None
    y, x = numeric[:2]
    others = tuple(name for name in cells.varying if name not in (y, x))
    maps: dict[tuple[Any, ...], list[DrawnCell]] = {}
    for cell in cells.all:
        maps.setdefault(tuple(cell.fields[name] for name in others), []).append(cell)
    grid = Heatmap(y, x, maps, others)
    sizes = len(grid.values(y)), len(grid.values(x))
    full = len(cells.all) > 0.5 * sizes[0] * sizes[1] * len(maps)
    return grid if full and max(sizes) <= _MAX_VALUES and len(maps) <= _MAX_MAPS else None


def entries(sweep: SweepTables, cells: Cells) -> dict[str, Entry]:
    """What the map shows of each cell, by cell_id: its statistic, or why it has none."""
    rows = {str(row["cell_id"]): row for row in sweep.summary.to_dict("records")}
    any_known = bool(sweep.summary["mean"].notna().any())
    statuses = sweep.trials.groupby("cell_id")["status"].agg(list)
    return {
        cell.cell_id: _entry(sweep, rows.get(cell.cell_id), statuses[cell.cell_id], coloured=not any_known)
        for cell in cells.all
    }


def _entry(sweep: SweepTables, row: Mapping[Any, Any] | None, statuses: Sequence[str], *, coloured: bool) -> Entry:
    if row is not None and pd.notna(row["mean"]):
        spread = row[spread_column(sweep)]
        text = decimals(row["mean"], 2) + (f"\n± {decimals(spread, 2)}" if spread > 0 else "")  # none of a single epoch
        return Entry(text, "known", row["mean"])
    for status in ENDED_EARLY:
        if count := statuses.count(status):
            some = f"\n{count} of {len(statuses)} seeds" if count < len(statuses) else ""
            if status == Status.STOPPED and row is not None:
                some = f"\nat epoch {row['last_epoch']}"
            return Entry(f"{status}{some}", _KINDS[status])
    if row is None or not row["n_epochs"]:
        return Entry("no epochs\nyet", "missing")
    if row["n_epochs"] < row["last"] and not row["n_nonfinite"]:
        mean = mean_of(sweep.epochs, row)
        text = f"{decimals(mean, 2)}\n{row['n_epochs']} of {row['last']} ep."
        return Entry(text, "short", mean if coloured else None)
    return Entry("not\nmeasured", "missing")


def spread_column(sweep: SweepTables) -> str:
    """The summary's column for the spread: `std_seeds` if any cell has it, else `std_epochs`."""
    return "std_seeds" if sweep.summary["std_seeds"].notna().any() else "std_epochs"


def _draw(sweep: SweepTables, grid: Heatmap, shown: Mapping[str, Entry]) -> matplotlib.figure.Figure:
    xs, ys = grid.values(grid.x), grid.values(grid.y)
    columns = 1 if len(grid.maps) == 1 or len(xs) > 5 else 2
    rows = -(-len(grid.maps) // columns)
    figure = canvas(rows * (0.45 * len(ys) + 0.4) + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    colours = _colours([entry.value for entry in shown.values() if entry.value is not None])
    best = next(iter(ranking(sweep)), None)
    for axes in panels.flat[len(grid.maps) :]:
        axes.set_axis_off()
    for axes, (values, cells) in zip(panels.flat, grid.maps.items(), strict=False):
        title = label(dict(zip(grid.others, values, strict=True)), grid.others)
        axes.set_title(wrapped(title, 66 // columns))
        _frame(axes, grid)
        for cell in cells:
            at = xs.index(cell.fields[grid.x]), ys.index(cell.fields[grid.y])
            _draw_cell(axes, at, shown[cell.cell_id], colours, best=cell.cell_id == best)
    figure.supxlabel(grid.x)
    figure.supylabel(grid.y)
    if any(entry.value is not None for entry in shown.values()):
        bar = figure.colorbar(colours, ax=panels, label="nats per image", pad=0.02)
        bar.outline.set_visible(False)
    return figure


def _colours(values: Sequence[float]) -> ScalarMappable:
    """The map from values to colours. Values far below the others get the lowest colour; the bar then has an arrow."""
    low, high = (foot(values), max(values)) if values else (0.0, 1.0)
    colours = mpl.colormaps[_COLOURS]
    colours.colorbar_extend = "min" if min(values, default=low) < low else "neither"  # type: ignore[assignment]
    return ScalarMappable(Normalize(low, high if high > low else low + 1), colours)


def _frame(axes: Axes, grid: Heatmap) -> None:
    xs, ys = grid.values(grid.x), grid.values(grid.y)
    axes.set_xticks(range(len(xs)), [short(value) for value in xs])
    axes.set_yticks(range(len(ys)), [short(value) for value in ys])
    axes.set(xlim=(-0.5, len(xs) - 0.5), ylim=(-0.5, len(ys) - 0.5))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_cell(axes: Axes, at: tuple[int, int], entry: Entry, colours: ScalarMappable, *, best: bool) -> None:
    face = "white" if entry.value is None else colours.to_rgba(np.array(entry.value))
    dark = entry.value is not None and float(np.dot(face[:3], (0.3, 0.6, 0.1))) < 0.5
    hatch = "////" if entry.kind == "diverged" else None
    corner = at[0] - 0.47, at[1] - 0.46
    axes.add_patch(Rectangle(corner, 0.94, 0.92, facecolor=face, edgecolor="#BFBFBF", linewidth=0.6, hatch=hatch))
    if best:
        axes.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, edgecolor="black", linewidth=2))
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if hatch else None
    axes.text(*at, entry.text, ha="center", va="center", fontsize=7.5, color="white" if dark else "black", bbox=box)


def _caption(sweep: SweepTables, cells: Cells, grid: Heatmap, shown: Mapping[str, Entry]) -> Iterator[str]:
    statistic = sweep.statistic
    yield f"{metric_name(statistic.metric)}, mean over the last {counted(statistic.last, 'epoch')}."
    yield from cells.shared()
    if sweep.summary["mean"].notna().any():
        if (sweep.summary[spread_column(sweep)] > 0).any():
            over = "seeds (ddof 1)" if spread_column(sweep) == "std_seeds" else "these epochs"
            yield f"±: std over {over}."
        yield "The best cell has a black frame."
    values = [entry.value for entry in shown.values() if entry.value is not None]
    if values and min(values) < foot(values):
        yield "Cells far below the others have the lowest colour (arrow)."
    kinds = {entry.kind for entry in shown.values()}
    if "diverged" in kinds:
        yield "Hatched: a seed diverged, so that the cell has no mean."
    if "stopped" in kinds:
        yield "Cells that the scheduler stopped early have no mean over the last epochs."
    if "short" in kinds:
        yield f"Cells with fewer than {statistic.last} epochs (ep.) show the mean of those that all their seeds have."
