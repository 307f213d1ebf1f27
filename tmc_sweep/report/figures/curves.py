"""Learning curves averaged over seeds (article, Figures 1 to 3)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tmc_sweep.records import Status
from tmc_sweep.report.figures.cells import Cell, Cells
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import COLOURS, PALE, canvas, legend_below, note, panel_grid
from tmc_sweep.report.figures.words import counted, metric_name, span, with_unit
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.tables.labels import label

Array = NDArray[np.float64]

_BEGINNING = 0.1  # of the epochs: what the axis need not show
_FAR = 8  # times as far below the best as a typical curve after its beginning: not shown


@dataclass(frozen=True)
class Curve:
    """One cell's curve over the epochs that all its seeds have and in which all are finite."""

    epoch: Array
    mean: Array
    std: Array | None  # over seeds, ddof 1; None for one seed
    n_seeds: int
    diverged_epoch: int | None  # the first in which a seed diverged

    def after(self, epoch: float) -> Array:
        """The mean in the epochs after this one, or at least in the last."""
        return self.mean[min(int(np.searchsorted(self.epoch, epoch, "right")), len(self.mean) - 1) :]


@dataclass(frozen=True)
class Limits:
    """The part of the metric's axis that shows the bodies of the curves."""

    low: float
    high: float
    cut_epoch: int  # until this epoch a curve lies below, whose end does not; 0: none does
    n_below: int  # curves that lie below to their end

    @classmethod
    def around(cls, curves: Collection[Curve]) -> Self:
        """Every curve's end and half of the curves from a tenth on, but no end that is far below all others."""
        curves = [curve for curve in curves if len(curve.epoch)]
        if not curves:
            return cls(0.0, 1.0, 0, 0)
        begun = _BEGINNING * max(curve.epoch[-1] for curve in curves)
        grown = [curve for curve in curves if curve.epoch[-1] > begun]
        bodies = [curve.after(begun) for curve in grown]
        high, typical = max(body.max() for body in bodies), float(np.median([body.min() for body in bodies]))
        low = min([typical, *(body[-1] for body in bodies if high - body[-1] <= _FAR * (high - typical))])
        lowest = min(curve.mean.min() for curve in curves)
        if high - lowest < 1.5 * (high - low):
            low = lowest
        margin = 0.05 * (high - low) or 0.5
        low -= margin
        back = [curve for curve in curves if curve.mean[-1] >= low]
        cut_epoch = max((int(curve.epoch[curve.mean < low].max(initial=0)) for curve in back), default=0)
        return cls(low, high + margin, cut_epoch, len(curves) - len(back))


def curves(sweep: SweepTables, cells: Cells) -> Figure:
    """The declared metric by epoch: colour shows one field of the cells, panels the others."""
    metric = sweep.statistic.metric
    averaged = seed_averages(sweep)
    limits = Limits.around(averaged.values())
    caption = " ".join(_caption(cells, averaged, limits, metric))
    return Figure("curves", f"{metric_name(metric)} by epoch", caption, partial(_draw, cells, averaged, limits, metric))


def seed_averages(sweep: SweepTables) -> dict[str, Curve]:
    """The curve of each cell that has rows, by cell_id."""
    diverged = sweep.trials[sweep.trials["status"] == Status.DIVERGED].groupby("cell_id")["epochs_done"].min()
    return {
        str(cell_id): _average(rows, sweep.statistic.metric, diverged.get(cell_id))
        for cell_id, rows in sweep.epochs.groupby("cell_id")
    }


def _average(rows: pd.DataFrame, metric: str, diverged_epoch: int | None) -> Curve:
    seeds = rows.pivot(index="epoch", columns="trial_id", values=metric)
    values = seeds.to_numpy()
    whole = np.isfinite(values).all(axis=1)
    several = values.shape[1] > 1
    return Curve(
        seeds.index.to_numpy(np.float64)[whole],
        values[whole].mean(axis=1),
        values[whole].std(axis=1, ddof=1) if several else None,
        values.shape[1],
        diverged_epoch,
    )


def _draw(cells: Cells, averaged: Mapping[str, Curve], limits: Limits, metric: str) -> matplotlib.figure.Figure:
    if not averaged:
        figure = canvas(2.0)
        note(figure.subplots(), "no epochs yet")
        return figure
    figure, panels = panel_grid(len(cells.panels), xlabel="epoch")
    for axes, (values, members) in zip(panels, cells.panels.items(), strict=True):
        axes.set_title(label(dict(zip(cells.panel_fields, values, strict=True)), cells.panel_fields))
        axes.grid(axis="y")
        for cell in sorted(members, key=lambda cell: cell.colour != PALE):  # the pale ones behind
            if cell.cell_id in averaged:
                _draw_curve(axes, cell, averaged[cell.cell_id], limits)
    panels[0].set_ylim(limits.low, limits.high)
    panels[0].set_xlim(left=0)
    figure.supylabel(with_unit(metric))
    legend_below(figure, _legend(cells, averaged))
    return figure


def _draw_curve(axes: Axes, cell: Cell, curve: Curve, limits: Limits) -> None:
    marker = "." if len(curve.epoch) == 1 else ""
    axes.plot(curve.epoch, curve.mean, color=cell.colour, marker=marker, label=cell.label)
    if curve.std is not None:
        band = (curve.mean - curve.std, curve.mean + curve.std)
        axes.fill_between(curve.epoch, *band, color=cell.colour, alpha=0.2, linewidth=0, label=f"{cell.label} band")
    if curve.diverged_epoch is not None:
        end = curve.mean[-1] if len(curve.mean) else limits.low
        axes.plot(curve.diverged_epoch, max(end, limits.low), clip_on=False, **_cross(cell.colour))


def _cross(colour: str) -> dict[str, Any]:
    return {"color": colour, "marker": "X", "markersize": 7, "markeredgecolor": "white", "linestyle": ""}


def _legend(cells: Cells, averaged: Mapping[str, Curve]) -> list[Line2D]:
    names = [cells.hue] if cells.hue else []
    coloured = [cell for cell in cells.all if cell.colour != PALE]
    shown = {cell.colour: label(cell.fields, names) if names else cell.label for cell in coloured}
    handles = [Line2D([], [], color=colour, label=shown[colour]) for colour in COLOURS if colour in shown]
    if any(cell.colour == PALE for cell in cells.all):
        handles.append(Line2D([], [], color=PALE, label="other cells"))
    if any(curve.diverged_epoch is not None for curve in averaged.values()):
        handles.append(Line2D([], [], label="diverged", **_cross("#4D4D4D")))
    return handles


def _caption(cells: Cells, averaged: Mapping[str, Curve], limits: Limits, metric: str) -> Iterator[str]:
    yield f"{metric_name(metric)} after each epoch; higher is better."
    yield from cells.shared()
    if not averaged:
        yield "No epochs yet."
        return
    counts = [curve.n_seeds for curve in averaged.values()]
    if max(counts) == 1:
        yield "One seed each."
    else:
        yield f"Lines: mean over {span(counts)} seeds, up to the last epoch that all have; bands: ± one std (ddof 1)."
    if any(curve.diverged_epoch is not None for curve in averaged.values()):
        yield "A cross marks where a seed of the cell diverged, which ends its line."
    if limits.cut_epoch:
        yield f"The axis leaves out the beginning: curves lie below it until epoch {limits.cut_epoch} at most."
    if limits.n_below:
        yield f"{counted(limits.n_below, 'curve')} below the axis to the end."
    if missing := sum(cell.cell_id not in averaged for cell in cells.all):
        yield f"{counted(missing, 'cell')} without epochs yet."
