"""How all figures look: one width, one type size, colours that do not rely on telling red from green."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 6.5  # inches: the text of a printed page; on a screen of 600 pixels letters are still 11 pixels high
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")  # Okabe and Ito
GREY = "#8A8A8A"
PALE = "#D9D9D9"

_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#4D4D4D",
    "axes.grid": False,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.labelsize": 9,
    "figure.titlesize": 10,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 9,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw and save in our style inside, whatever the user's matplotlib is set to; `name` seeds the SVG's ids."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": name})
        yield


def canvas(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def panel_grid(number: int, *, share: bool) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels of equal size, row by row; those that share have the same axes."""
    columns = number if number <= 3 else 2 if number == 4 else 3 if number <= 9 else 4
    rows = -(-number // columns)
    height = {1: 3.8, 2: 3.0, 3: 2.6}[min(columns, 3)] if rows == 1 else 2.1 if columns == 2 else 1.6
    figure = canvas(height * rows + 0.6)
    grid = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    for axes in grid.flat[number:]:
        axes.remove()
    return figure, list(grid.flat[:number])


def note(axes: Axes, text: str) -> None:
    """Only this sentence where there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#4D4D4D")
