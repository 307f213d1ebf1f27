"""The figures of a sweep, drawn from its tables: a file per kind of figure.

A kind is a function of (SweepTables, Cells) that gives a Figure, or None where it would show nothing. To add one, write
its file and enter the function in `_KINDS`; the order there is that of the page. `cells` decides labels, colours and
panels once for all figures, and `style` how they look.
"""

from tmc_sweep.report.figures.cells import cells_of
from tmc_sweep.report.figures.curves import curves
from tmc_sweep.report.figures.figure import Figure, png, svg, write
from tmc_sweep.report.figures.heatmap import heatmap
from tmc_sweep.report.figures.latents import latents
from tmc_sweep.report.figures.model import model
from tmc_sweep.report.figures.reconstructions import reconstructions
from tmc_sweep.report.figures.search import search
from tmc_sweep.report.figures.timing import timing
from tmc_sweep.report.tables import SweepTables

__all__ = ["Figure", "of", "png", "svg", "write"]

_KINDS = (search, curves, heatmap, timing, reconstructions, latents, model)


def of(sweep: SweepTables) -> list[Figure]:
    """The figures that have something to show for this sweep, in the page's order."""
    cells = cells_of(sweep)
    return [figure for kind in _KINDS if (figure := kind(sweep, cells))]
