"""How all figures look: one width, one type size, colours that do not rely on telling red from green."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tmc_sweep.text import wrapped

WIDTH = 6.5  # inches, as the text of a printed page; on a screen 600 pixels wide letters are still 11 pixels high
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")  # Okabe and Ito
DARK = "#333333"
MAX_COLUMNS = 4
_TITLE_WIDTHS = 78, 38, 27, 20  # characters over a panel, by the number of columns
PALE = "#D4D4D4"  # of what is shown, but behind all others

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
    "legend.columnspacing": 1.4,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.handletextpad": 0.5,
    "lines.linewidth": 1.3,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "text.parse_math": False,  # a $ is a $
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def style(name: str) -> Iterator[None]:
    """Figures drawn and saved inside are in our style, whatever the user's matplotlib is set to.

    `name` seeds the ids in an SVG: two figures on one page must not share them.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": name})
        yield


def canvas(height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """An empty figure of WIDTH by this height, in inches; without a layout its axes are placed by hand."""
    figure = Figure(figsize=(WIDTH, height))
    figure.set_layout_engine(layout or "none")
    return figure


def panel_grid(
    titles: Sequence[str], xlabel: str, ylabel: str, *, columns: int | None = None, ratio: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of panels of one size, row by row, one for each title; and its panels.

    All panels have the same axes; if `columns` is given, the y-axis is shared by the panels of a column alone. `ratio`
    is a panel's height by its width, 0 for a height that suits the number of columns.
    """
    number = len(titles)
    sharey: Literal["all", "col"] = "col" if columns else "all"
    columns = columns or (number if number <= 3 else 2 if number == 4 else 3 if number <= 9 else MAX_COLUMNS)
    rows = -(-number // columns)
    titles = [wrapped(title, _TITLE_WIDTHS[columns - 1]) for title in titles]
    height = ratio * WIDTH / columns or (3.2, 2.4, 2.0, 1.6)[columns - 1]
    height += 0.14 * max(title.count("\n") for title in titles)
    figure = canvas(height * rows + 0.8)
    grid = figure.subplots(rows, columns, sharex=True, sharey=sharey, squeeze=False)
    if rows == 1:
        grid[0, 0].set_ylabel(ylabel)
    else:
        figure.supylabel(ylabel.replace("\n", " "))
    for axes in grid.flat[number:]:
        axes.remove()
    panels = list(grid.flat[:number])
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=9 if columns <= 2 else 8)
    for axes in panels[-columns:]:
        axes.set_xlabel(xlabel)
        axes.tick_params(labelbottom=True)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure, panels


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put a legend below the panels, filled row by row, in as many columns as there is room for."""
    longest = max(len(line) for handle in handles for line in str(handle.get_label()).splitlines())
    rows = -(-len(handles) // max(1, int(WIDTH / (0.45 + 0.07 * longest))))  # from inches
    columns = -(-len(handles) // rows)
    by_column = [handle for first in range(columns) for handle in handles[first::columns]]  # as matplotlib has it
    figure.legend(handles=by_column, loc="outside lower center", ncols=columns)


def note(axes: Axes, text: str) -> None:
    """Show only this sentence on the axes: there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#4D4D4D")
