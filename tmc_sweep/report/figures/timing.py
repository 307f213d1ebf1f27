"""Seconds per epoch (article, section 4.3)."""

from collections.abc import Iterator
from functools import partial

import matplotlib.figure
import numpy as np
import pandas as pd

from tmc_sweep.report.figures.cells import Cells
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import DARK, canvas
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.statistics.processes import at_once
from tmc_sweep.text import span, wrapped

_MAX_CELLS = 40


def timing(sweep: SweepTables, cells: Cells) -> Figure | None:
    """The figure, a bar per cell: the median over its epochs, and the middle half as a line; None without epochs."""
    if sweep.epochs.empty:
        return None
    seconds = quartiles(sweep, cells)
    caption = " ".join(_caption(sweep, cells, len(seconds)))
    slowest = seconds["median"].nlargest(_MAX_CELLS).index
    return Figure("timing", "Seconds per epoch", caption, partial(_draw, seconds[seconds.index.isin(slowest)]))


def quartiles(sweep: SweepTables, cells: Cells) -> pd.DataFrame:
    """By cell_id, of the cells that have epochs: `label`, `colour`, and `low`, `median` and `high` in seconds."""
    known = sweep.epochs.groupby("cell_id")["epoch_seconds"].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    known.columns = pd.Index(["low", "median", "high"])
    packs = _packs(sweep)
    names = {
        cell.cell_id: (cell.label + packs.get(cell.cell_id, ""), cell.colour)
        for members in cells.panels.values()
        for cell in members
    }
    return pd.DataFrame.from_dict(names, orient="index", columns=["label", "colour"]).join(known, how="inner")


def _packs(sweep: SweepTables) -> dict[str, str]:
    """By cell_id, a remark with how many trials shared an epoch's time; none if that is the same for all cells."""
    sizes = sweep.trials.dropna(subset="pack_size").groupby("cell_id")["pack_size"]
    known = {str(cell_id): f" (pack\u00a0of\u00a0{span(size)})" for cell_id, size in sizes}
    return known if len(set(known.values())) > 1 else {}


def _draw(seconds: pd.DataFrame) -> matplotlib.figure.Figure:
    names = [wrapped(name, 40) for name in seconds["label"]]
    lines = max(name.count("\n") + 1 for name in names)
    at = np.arange(len(names))
    figure = canvas((0.1 + 0.14 * lines) * len(names) + 0.6)
    axes = figure.subplots()
    axes.barh(at, seconds["median"], color=seconds["colour"], height=0.7)
    axes.hlines(at, seconds["low"], seconds["high"], color=DARK, linewidth=1)
    for y, median, high in zip(at, seconds["median"], seconds["high"], strict=True):
        text = f"{median:#.3g}".rstrip(".")
        axes.annotate(text, (high, y), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(at, names)
    axes.set_xlabel("seconds per epoch")
    axes.set(xlim=(0, 1.1 * seconds["high"].max() or 1.0), ylim=(len(names) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    return figure


def _caption(sweep: SweepTables, cells: Cells, n_known: int) -> Iterator[str]:
    yield "Wall time of an epoch, evaluation included: median, and as a line the middle half."
    yield from cells.shared()
    if n_known > _MAX_CELLS:
        yield f"The {_MAX_CELLS} slowest of {n_known} cells."
    begun = sweep.trials[sweep.trials["trial_id"].isin(sweep.epochs["trial_id"])]
    devices = ", ".join(sorted(begun["device"].dropna().unique())) or "a device not on record"
    threads, packs = begun["threads"].dropna(), begun["pack_size"].dropna()
    yield f"Measured on {devices}" + (f", torch threads: {span(threads)}." if len(threads) else ".")
    if len(packs) and packs.max() > 1:
        yield f"Packs of {span(packs)} trials train together: an epoch's time is that of all its pack's members."
    if (most := max(at_once(begun, sweep.epochs).values(), default=1)) > 1:
        yield f"Up to {most} processes trained at once on a machine, which may slow each."
    if len(shares := begun["gpu"].dropna()[lambda share: share.between(0, 1, inclusive="neither")]):
        yield f"Processes had {span(shares)} of a GPU each."
