"""The two-dimensional last latent of each test image, coloured by the image's class (article, Figure 6)."""

from collections.abc import Iterator
from functools import partial

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from tmc_sweep.report.figures.cells import Cells, Pictured, pictured
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import legend_below, panel_grid
from tmc_sweep.report.tables import SweepTables

_CLASSES = (  # Petroff, Accessible color sequences for data visualization (2021)
    "#3F90DA", "#FFA90E", "#BD1F01", "#94A4A2", "#832DB6", "#A96B59", "#E76300", "#B9AC70", "#717581", "#92DADD",
)  # fmt: skip
_OUTSIDE = 0.005  # the share of points on each side that the axes need not show


def latents(sweep: SweepTables, cells: Cells) -> Figure | None:
    """The figure, a panel per cell and a point per test image; None if no latents in a plane were computed."""
    shown = pictured(sweep, cells, sweep.latents)
    if shown is None:
        return None
    caption = " ".join(_caption(sweep, shown, cells))
    return Figure("latents", "Two-dimensional latent space", caption, partial(_draw, shown))


def accuracies(rows: pd.DataFrame) -> pd.Series:
    """The share of images whose neighbours vote for their class, by (cell_id, seed), in a table of latents."""
    return (rows["label"] == rows["predicted"]).groupby([rows["cell_id"], rows["seed"]]).mean()


def _draw(shown: Pictured) -> matplotlib.figure.Figure:
    points = [shown.rows[shown.rows["cell_id"] == cell.cell_id] for cell in shown.cells]
    shares = [f"10-NN accuracy {accuracies(own).iloc[0]:.1%}" for own in points]
    titles = [f"{cell.label}\n{share}" for cell, share in zip(shown.cells, shares, strict=True)]
    figure, panels = panel_grid(titles, "first dimension", "second dimension", ratio=1.0)
    for axes, own in zip(panels, points, strict=True):
        _draw_points(axes, own)
    panels[0].set(xlim=_limits(shown.rows["x"]), ylim=_limits(shown.rows["y"]))
    legend_below(figure, [_point(label) for label in sorted(shown.rows["label"].unique())])
    return figure


def _draw_points(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the points in the table's order, so that no class lies under all others, and each class's number."""
    size = float(np.clip(3000 / len(rows), 1.0, 12.0))
    colours = rows["label"].map(_colour)
    axes.scatter(rows["x"], rows["y"], s=size, c=colours, linewidths=0, alpha=0.7, rasterized=True)
    for label, own in rows.groupby("label"):
        halo = [withStroke(linewidth=2.5, foreground="white")]
        middle = own["x"].median(), own["y"].median()
        axes.text(*middle, str(label), ha="center", va="center", weight="bold", path_effects=halo)


def _point(label: int) -> Line2D:
    return Line2D([], [], color=_colour(label), marker="o", linestyle="", label=str(label))


def _colour(label: int) -> str:
    return _CLASSES[label % len(_CLASSES)]


def _limits(values: "pd.Series[float]") -> tuple[float, float]:
    low, high = values.quantile([_OUTSIDE, 1 - _OUTSIDE])
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _caption(sweep: SweepTables, shown: Pictured, cells: Cells) -> Iterator[str]:
    yield f"The last latent of each test image, mean over samples of q, after {shown.epochs} epochs."
    yield from cells.shared()
    yield "Accuracy: how often most of the 10 nearest other images have an image's class. First seed of each cell."
    yield from shown.left_out()
    of_cells = accuracies(sweep.latents).groupby(level=0).agg(["mean", "std"]).dropna()
    known = [(cell.label, *of_cells.loc[cell.cell_id]) for cell in shown.cells if cell.cell_id in of_cells.index]
    if known:
        spreads = "; ".join(f"{name} {mean:.1%} ± {std:.1%}" for name, mean, std in known)
        yield f"Accuracy over seeds, mean ± std (ddof 1): {spreads}."
