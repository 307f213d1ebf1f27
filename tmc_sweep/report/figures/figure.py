"""What a figure is, and how it becomes a file. The same tables give the same bytes: no dates, no random ids."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib.figure

from tmc_sweep.report.figures.style import style
from tmc_sweep.store import files

_NO_DATE: dict[str, dict[str, str | None]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


@dataclass(frozen=True)
class Figure:
    """One figure of a sweep; it is drawn when `draw` is called, as `svg`, `png` and `write` do."""

    name: str  # the stem of its files
    title: str
    caption: str  # plain sentences
    draw: Callable[[], matplotlib.figure.Figure]


def svg(figure: Figure) -> str:
    """The figure as an SVG document."""
    return _rendered(figure, "svg").decode()


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, 200 pixels per inch."""
    return _rendered(figure, "png")


def write(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Write each figure as PNG and SVG into `folder`, which is made; the paths. StorageError if that fails."""
    with files.explained("made", folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for figure in figures:
        for kind in ("png", "svg"):
            written.append(folder / f"{figure.name}.{kind}")
            files.write_beside(written[-1], _rendered(figure, kind))
    return written


def _rendered(figure: Figure, kind: str) -> bytes:
    sink = BytesIO()
    with style(figure.name):
        figure.draw().savefig(sink, format=kind, metadata={"Title": figure.title, **_NO_DATE[kind]})
    return sink.getvalue()
