"""What a search found: its cells in the order in which they were chosen, and again over each field that it searched."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import matplotlib as mpl
import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from tmc_sweep.records import ENDED_EARLY, Status
from tmc_sweep.report.figures.averages import foot
from tmc_sweep.report.figures.cells import Cells, DrawnCell, mean_of, ranking
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import COLOURS, DARK, MAX_COLUMNS, canvas, legend_below
from tmc_sweep.report.figures.text import is_number, metric_name, with_unit
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.store.read import plain_rows
from tmc_sweep.text import counted, decimals, plain, short, wrapped

Array = NDArray[np.float64]
Kind = Literal["known", "stopped", "lost"]

_MAX_FIELDS = 12
_SPREAD = 0.6  # the part of a category's room that its points take
_FAR = 4  # a cell this many times as far below the best as the median is drawn at the axis's lower end
_MARKERS = {"known": "o", "stopped": "o", "below": "v", "lost": "X"}
_NAMES = {"known": "cell", "stopped": "stopped early", "below": "below the axis", "lost": "diverged or failed"}
_BEST: dict[str, Any] = {
    "marker": "*",
    "markersize": 15,  # hides the mark below it
    "markeredgecolor": "white",
    "color": COLOURS[1],
    "linestyle": "",
}


@dataclass(frozen=True)
class DrawnOutcome:
    """What became of a cell."""

    cell: DrawnCell
    kind: Kind  # known: it has a statistic; stopped: by a scheduler; lost: a seed diverged or failed
    value: float = math.nan  # the statistic, or the same over fewer epochs where it was stopped; NaN if it was lost


@dataclass(frozen=True)
class Marks:
    """The outcomes as every panel shows them."""

    found: Sequence[DrawnOutcome]  # in the order in which cells were chosen
    low: float  # where the axis begins; values below are drawn there, with another marker
    high: float
    best: int  # the best one's position

    @property
    def markers(self) -> list[str]:
        """For each outcome, the key of its marker in _MARKERS."""
        return ["below" if outcome.value < self.low else outcome.kind for outcome in self.found]

    @property
    def heights(self) -> Array:
        """For each outcome, its y: its value, or `low` if that is below or unknown."""
        values: Array = np.array([outcome.value for outcome in self.found])
        return np.fmax(values, self.low, dtype=np.float64)


def search(sweep: SweepTables, cells: Cells) -> Figure | None:
    """The figure, the statistic by cell and by field; None unless cells were searched and two have a statistic."""
    found = outcomes(sweep, cells) if sweep.searched else []
    if sum(outcome.kind == "known" for outcome in found) < 2:
        return None
    shown = _marks(sweep, found)
    title = f"{metric_name(sweep.statistic.metric)} of the cells searched"
    caption = " ".join(_caption(sweep, cells, shown))
    return Figure("search", title, caption, partial(_draw, sweep, cells.varying[:_MAX_FIELDS], shown))


def outcomes(sweep: SweepTables, cells: Cells) -> list[DrawnOutcome]:
    """What became of the cells that are finished, in the order in which they were chosen: that of the trial table."""
    by_id = {cell.cell_id: cell for cell in cells.all}
    epochs = {str(name): own for name, own in sweep.epochs.groupby("cell_id")}
    rows = {row["cell_id"]: row for row in plain_rows(sweep.summary)}
    statuses = sweep.trials.groupby("cell_id", sort=False)["status"].agg(set)
    found = (_outcome(by_id[str(name)], rows.get(name), of_cell, epochs) for name, of_cell in statuses.items())
    return [outcome for outcome in found if outcome]


def _outcome(
    cell: DrawnCell, row: Mapping[str, Any] | None, statuses: set[str], epochs: Mapping[str, pd.DataFrame]
) -> DrawnOutcome | None:
    if row and row["mean"] is not None:
        return DrawnOutcome(cell, "known", row["mean"])
    if not statuses & {*ENDED_EARLY}:
        return None  # not yet
    if row and row["n_epochs"] and not row["n_nonfinite"] and statuses <= {Status.STOPPED, Status.DONE}:
        return DrawnOutcome(cell, "stopped", mean_of(epochs[cell.cell_id], row))
    return DrawnOutcome(cell, "lost")


def _marks(sweep: SweepTables, found: Sequence[DrawnOutcome]) -> Marks:
    """The marks of these outcomes, on an axis that shows all but what is far below the others."""
    values = [outcome.value for outcome in found if outcome.kind != "lost"]
    low, high = foot(values, _FAR) if sweep.statistic.mode == "max" else min(values), max(values)
    margin = 0.06 * (high - low) or 0.5
    best = next(iter(ranking(sweep)))
    position = next(i for i, outcome in enumerate(found) if outcome.cell.cell_id == best)
    return Marks(found, low - margin, high + margin, position)


def _draw(sweep: SweepTables, fields: Sequence[str], marks: Marks) -> matplotlib.figure.Figure:
    columns = len(fields) if len(fields) <= MAX_COLUMNS else 3 if len(fields) <= 6 else MAX_COLUMNS
    rows = -(-len(fields) // columns)
    figure = canvas(2.2 + 1.9 * rows + 0.5)
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[2.2, *[1.9] * rows])
    top = figure.add_subplot(grid[0, :])
    _draw_order(sweep, top, marks)
    for i, field in enumerate(fields):
        axes = figure.add_subplot(grid[1 + i // columns, i % columns], sharey=top)
        axes.tick_params(labelleft=i % columns == 0)
        _draw_points(axes, _scale(axes, field, marks, 60 // columns), marks)
    top.set_ylim(marks.low, marks.high)
    figure.supylabel(with_unit(sweep.statistic.metric).replace("\n", " "))
    legend_below(figure, _legend(marks))
    return figure


def _draw_order(sweep: SweepTables, axes: Axes, marks: Marks) -> None:
    """Draw the outcomes cell by cell, with a line of the best statistic so far."""
    known = [outcome.value if outcome.kind == "known" else math.nan for outcome in marks.found]
    best = np.fmax if sweep.statistic.mode == "max" else np.fmin
    at = np.arange(1.0, len(known) + 1)
    axes.step(at, best.accumulate(known), where="post", color=DARK)
    _draw_points(axes, at, marks)
    axes.set(xlabel="cell, in the order chosen", xlim=(0.5, len(known) + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_points(axes: Axes, at: Array, marks: Marks) -> None:
    """Draw a mark per cell at these x; marks of cells chosen late are darker, and lie above the others."""
    axes.grid(axis="y")
    colours = mpl.colormaps["cividis_r"](np.linspace(0.1, 1, len(at)))
    faces = np.where([[outcome.kind == "stopped"] for outcome in marks.found], 1.0, colours)
    kinds, heights = np.array(marks.markers), marks.heights
    for kind, marker in _MARKERS.items():
        own = kinds == kind
        shape: dict[str, Any] = {"s": 28, "marker": marker, "clip_on": False, "zorder": 3, "linewidths": 1.1}
        axes.scatter(at[own], heights[own], facecolors=faces[own], edgecolors=colours[own], **shape)
    axes.plot(at[marks.best], heights[marks.best], **_BEST, clip_on=False, zorder=4)


def _scale(axes: Axes, field: str, marks: Marks, width: int) -> Array:
    """Set up the x-axis for a field; the x of each cell. Its labels have room for `width` characters together."""
    axes.set_xlabel(field)
    values = [outcome.cell.fields[field] for outcome in marks.found]
    if all(map(is_number, values)):
        return _numbers(axes, np.array(values, np.float64), most_ticks=width // 5)
    distinct = sorted(set(values))
    names = [plain(value) for value in distinct]
    crowded = len("  ".join(names)) > width
    axes.set_xticks(range(len(names)), [wrapped(name, 18) for name in names], rotation=90 if crowded else 0)
    axes.set_xlim(-0.5, len(names) - 0.5)
    along = np.linspace(-0.5, 0.5, len(values)) * _SPREAD
    return np.array([distinct.index(value) for value in values]) + along


def _numbers(axes: Axes, values: Array, most_ticks: int) -> Array:
    low, high = values.min(), values.max()
    axes.margins(x=0.08)
    if low > 0 and high / low >= 10:
        axes.set_xscale("log")
        subs = (1.0,) if high / low >= 100 else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=min(most_ticks, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        whole = bool(np.all(values == values.round()))
        axes.xaxis.set_major_locator(MaxNLocator(min(most_ticks, 4), steps=[1, 2, 5, 10], integer=whole))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value) if 0 < value < 1e-3 else short(value)))
    return values


def _power(value: float) -> str:
    """A small number as a power of ten: `1e-4`."""
    return f"{value:.0e}".replace("e-0", "e-")


def _legend(marks: Marks) -> list[Line2D]:
    kinds = {outcome.kind for outcome in marks.found} | {*marks.markers}
    shape: dict[str, Any] = {"color": DARK, "linestyle": "", "markersize": 5.5}
    handles = [
        Line2D([], [], label=_NAMES[kind], marker=marker, fillstyle="none" if kind == "stopped" else "full", **shape)
        for kind, marker in _MARKERS.items()
        if kind in kinds
    ]
    return [*handles, Line2D([], [], label="best", **_BEST), Line2D([], [], color=DARK, label="best so far")]


def _caption(sweep: SweepTables, cells: Cells, marks: Marks) -> Iterator[str]:
    statistic = sweep.statistic
    yield f"{metric_name(statistic.metric)}, mean over the last {counted(statistic.last, 'epoch')} and over seeds:"
    yield "in the order in which cells were chosen, and by each field that differs."
    yield "Later cells are darker and, within a value that is no number, further right."
    yield from cells.shared()
    best = marks.found[marks.best]
    yield f"Best: {best.cell.label}, {decimals(best.value, 2)}."
    if n_stopped := sum(outcome.kind == "stopped" for outcome in marks.found):
        yield f"Hollow: {counted(n_stopped, 'cell')} stopped early, with the mean of the last epochs before."
    if missing := len(cells.all) - len(marks.found):
        yield f"{counted(missing, 'cell')} not finished yet."
    if len(cells.varying) > _MAX_FIELDS:
        yield f"The first {_MAX_FIELDS} of {len(cells.varying)} fields."
