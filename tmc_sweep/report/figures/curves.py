"""Learning curves averaged over seeds (article, Figures 1 to 3)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, cycle
from typing import Any

import matplotlib.figure
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tmc_sweep.report.figures.averages import Curve, Limits, seed_averages
from tmc_sweep.report.figures.cells import Cells, DrawnCell, labels
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import COLOURS, DARK, PALE, canvas, legend_below, note, panel_grid
from tmc_sweep.report.figures.text import metric_name, with_unit
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.statistics.labels import label
from tmc_sweep.text import counted, span, wrapped

_MANY = 200  # epochs, of which the line is thinner


def curves(sweep: SweepTables, cells: Cells) -> Figure:
    """The figure of the declared metric by epoch, a line per cell; also without epochs, which it then says."""
    metric = sweep.statistic.metric
    averaged = seed_averages(sweep)
    limits = _limits(cells, averaged)
    caption = " ".join(_caption(cells, averaged, limits, metric))
    return Figure("curves", f"{metric_name(metric)} by epoch", caption, partial(_draw, cells, averaged, limits, metric))


def _limits(cells: Cells, averaged: Mapping[str, Curve]) -> list[Limits]:
    """The limits of the metric's axis: one for each column of panels, or one for all panels."""
    panels, step = list(cells.panels.values()), cells.columns or 1
    columns = [chain(*panels[first::step]) for first in range(step)]
    return [
        Limits.around([averaged[cell.cell_id] for cell in column if cell.cell_id in averaged]) for column in columns
    ]


def _draw(
    cells: Cells, averaged: Mapping[str, Curve], limits: Sequence[Limits], metric: str
) -> matplotlib.figure.Figure:
    if not averaged:
        figure = canvas(1.0)
        note(figure.subplots(), "no epochs yet")
        return figure
    titles = [label(dict(zip(cells.panel_fields, values, strict=True)), cells.panel_fields) for values in cells.panels]
    figure, panels = panel_grid(titles, "epoch", with_unit(metric), columns=cells.columns)
    for axes, members, own in zip(panels, cells.panels.values(), cycle(limits), strict=False):
        pale_first = sorted(members, key=lambda cell: cell.colour != PALE)
        _draw_panel(axes, [(cell, averaged[cell.cell_id]) for cell in pale_first if cell.cell_id in averaged], own)
    legend_below(figure, _legend(cells, averaged))
    return figure


def _draw_panel(axes: Axes, curves: Sequence[tuple[DrawnCell, Curve]], limits: Limits) -> None:
    axes.grid(axis="y")
    floor, step = limits.low, 0.06 * (limits.high - limits.low)
    for cell, curve in curves:
        _draw_curve(axes, cell, curve)
        if curve.diverged_epoch is None:
            continue
        in_view = len(curve.mean) > 0 and curve.mean[-1] > limits.low
        axes.plot(curve.diverged_epoch, curve.mean[-1] if in_view else floor, clip_on=False, **_cross(cell.colour))
        floor += 0.0 if in_view else step  # those without a line stand on one another
    axes.set_ylim(limits.low, limits.high)
    axes.set_xlim(left=0)
    if not any(len(curve.mean) for _, curve in curves):
        axes.tick_params(axis="y", left=False, labelleft=False)


def _draw_curve(axes: Axes, cell: DrawnCell, curve: Curve) -> None:
    marker, width = "." if len(curve.epoch) == 1 else "", 0.9 if len(curve.epoch) > _MANY else 1.3
    axes.plot(curve.epoch, curve.mean, color=cell.colour, marker=marker, linewidth=width, label=cell.label)
    if curve.stopped:
        axes.plot(curve.epoch[-1:], curve.mean[-1:], **_bar(cell.colour))
    if curve.std is not None and cell.colour != PALE:
        band = (curve.mean - curve.std, curve.mean + curve.std)
        axes.fill_between(curve.epoch, *band, color=cell.colour, alpha=0.2, linewidth=0, label=cell.label)


def _cross(colour: str) -> dict[str, Any]:
    return {"color": colour, "marker": "X", "markersize": 7, "markeredgecolor": "white", "linestyle": ""}


def _bar(colour: str) -> dict[str, Any]:
    return {"color": colour, "marker": "|", "markersize": 8, "markeredgewidth": 1.6, "linestyle": ""}


def _legend(cells: Cells, averaged: Mapping[str, Curve]) -> list[Line2D]:
    coloured = {cell.colour: cell for cell in cells.all if cell.colour != PALE}
    names = [cell.label for cell in coloured.values()]
    if cells.hue:
        names = labels([cell.fields for cell in coloured.values()], [cells.hue])
    shown = dict(zip(coloured, names, strict=True))
    handles = [Line2D([], [], color=colour, label=wrapped(shown[colour], 40)) for colour in COLOURS if colour in shown]
    if any(cell.colour == PALE for cell in cells.all):
        handles.append(Line2D([], [], color=PALE, label="other cells"))
    if any(curve.diverged_epoch is not None for curve in averaged.values()):
        handles.append(Line2D([], [], label="diverged", **_cross(DARK)))
    if any(curve.stopped for curve in averaged.values()):
        handles.append(Line2D([], [], label="stopped early", **_bar(DARK)))
    return handles


def _caption(cells: Cells, averaged: Mapping[str, Curve], limits: Sequence[Limits], metric: str) -> Iterator[str]:
    yield f"{metric_name(metric)} by epoch; higher is better."
    yield from cells.shared()
    if not averaged:
        yield "No epochs yet."
        return
    counts = [curve.n_seeds for curve in averaged.values()]
    if max(counts) == 1:
        yield "One seed each." if len(counts) > 1 else "One seed."
    else:
        yield f"Lines: mean over {span(counts)} seeds, up to the last epoch that all have; bands: ± one std (ddof 1)."
    if any(curve.diverged_epoch is not None for curve in averaged.values()):
        yield "A cross marks where a seed of the cell diverged, which ends its line."
    if n_stopped := sum(curve.stopped for curve in averaged.values()):
        yield f"A bar ends the line of each cell that the scheduler stopped early ({n_stopped} of {len(averaged)})."
    if cut_epoch := max(own.cut_epoch for own in limits):
        yield f"The axis leaves out the beginning: curves lie below it until epoch {cut_epoch} at most."
    if n_below := sum(own.n_below for own in limits):
        yield f"{counted(n_below, 'curve')} below the axis to the end."
    if len(limits) > 1:
        yield "Each column of panels has an axis of its own."
    if missing := sum(cell.cell_id not in averaged for cell in cells.all):
        yield f"{counted(missing, 'cell')} without epochs yet."
