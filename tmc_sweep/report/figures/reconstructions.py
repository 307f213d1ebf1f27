"""Test images above their reconstructions (article, Figure 5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import matplotlib.figure
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from tmc_sweep.registry import DATA_SETS
from tmc_sweep.report.figures.cells import Cells, DrawnCell, Pictured, pictured
from tmc_sweep.report.figures.figure import Figure
from tmc_sweep.report.figures.style import WIDTH, canvas
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.text import wrapped

Pixels = NDArray[np.uint8]

_MAX_ROWS = 16  # if there are more, only the first ten images are shown
_COLUMNS = 10
_NAMES_WIDTHS = {1.3: 18, 2.2: 32}  # inches for the rows' names, and how many characters these have room for
_LINES = 3  # that a name may take beside its row
_BETWEEN = 0.15  # inches from block to block
_GAP = 0.12  # between two images, in widths of one


@dataclass(frozen=True)
class Block:
    """Rows of at most ten images: the originals, and below them the reconstructions of some cells."""

    names: tuple[str, ...]  # of the rows
    images: Pixels  # [row, column, height, width] or [row, column, height, width, colours]
    number: int  # 0 for the first ten images of these cells, 1 for the next ten, …


def reconstructions(sweep: SweepTables, cells: Cells) -> Figure | None:
    """The figure, originals above what each cell makes of them; None if no reconstructions were computed."""
    shown = pictured(sweep, cells, sweep.reconstructions)
    if shown is None:
        return None
    caption = " ".join(_caption(shown, cells))
    made = list(blocks(shown.rows, shown.cells))
    if sum(len(block.names) for block in made) > _MAX_ROWS:
        made = [block for block in made if block.number == 0]
    return Figure("reconstructions", "Reconstructions", caption, partial(_draw, made))


def blocks(rows: pd.DataFrame, cells: Sequence[DrawnCell]) -> Iterator[Block]:
    """Blocks of ten images, the first of each class, then the second, …; cells with the same images share blocks."""
    together: dict[tuple[object, ...], list[tuple[DrawnCell, pd.DataFrame]]] = {}
    for cell in cells:
        own = rows[rows["cell_id"] == cell.cell_id].sort_values(["label", "image"])
        own = own.assign(rank=own.groupby("label").cumcount()).sort_values(["rank", "label"])
        together.setdefault((cell.fields["data"], *own["image"]), []).append((cell, own))
    for (data, *images), members in together.items():
        names = ("original", *(cell.label for cell, _ in members))
        columns = [members[0][1]["original"], *(own["reconstruction"] for _, own in members)]
        pixels = np.stack([np.frombuffer(b"".join(column), np.uint8) for column in columns])
        pixels = pixels.reshape(len(names), len(images), *_shape(str(data), members[0][1]["shape"].iloc[0]))
        for first in range(0, len(images), _COLUMNS):
            yield Block(names, pixels[:, first : first + _COLUMNS], first // _COLUMNS)


def _shape(data: str, stored: str | None) -> tuple[int, ...]:
    """The shape of one image, as stored; of an older row, which has none, that of its data set, which is built in."""
    shape = tuple(map(int, stored.split("-"))) if stored else DATA_SETS[data].shape
    return shape if len(shape) > 1 else (1, *shape)


def _draw(blocks: Sequence[Block]) -> matplotlib.figure.Figure:
    names = _names_width([name for block in blocks for name in block.names])
    size = (WIDTH - names) / _COLUMNS
    heights = [size * len(block.names) for block in blocks]
    total = sum(heights) + _BETWEEN * (len(blocks) - 1)
    figure = canvas(total, layout=None)
    top = total
    for block, height in zip(blocks, heights, strict=True):
        left, bottom = names / WIDTH, (top - height) / total
        _draw_block(figure.add_axes((left, bottom, 1 - left, height / total)), block, _NAMES_WIDTHS[names])
        top -= height + _BETWEEN
    return figure


def _names_width(names: Sequence[str]) -> float:
    """Inches for the rows' names: the least width at which no name takes too many lines, else the greatest."""
    fitting = (
        width
        for width, characters in _NAMES_WIDTHS.items()
        if all(wrapped(name, characters).count("\n") < _LINES for name in names)
    )
    return next(fitting, max(_NAMES_WIDTHS))


def _draw_block(axes: Axes, block: Block, characters: int) -> None:
    """Draw a block; images without colours are dark on white, as ink on paper."""
    n_rows, n_columns = block.images.shape[:2]
    axes.imshow(
        mosaic(block.images),
        cmap="gray_r",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        extent=(-0.5, n_columns - 0.5, n_rows - 0.5, -0.5),
    )
    axes.set_xlim(-0.5, _COLUMNS - 0.5)
    axes.set_yticks(range(n_rows), [wrapped(name, characters) for name in block.names])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def mosaic(images: Pixels) -> Pixels:
    """Images [row, column, height, width, …] as one image, with blank gaps between them."""
    gap = max(1, round(_GAP * images.shape[3] / 2))
    colours = images.ndim == 5
    around = [(0, 0), (0, 0), (gap, gap), (gap, gap), (0, 0)][: images.ndim]
    padded = np.pad(images, around, constant_values=255 if colours else 0)
    rows, columns, height, width = padded.shape[:4]
    return padded.swapaxes(1, 2).reshape(rows * height, columns * width, *padded.shape[4:])


def _caption(shown: Pictured, cells: Cells) -> Iterator[str]:
    yield f"Test images, and what each model makes of them after {shown.epochs} epochs (the first seed of each cell)."
    yield from cells.shared()
    yield from shown.left_out()
