"""The report: one HTML file that holds all it shows, and fetches nothing from anywhere.

Its content policy, which a browser obeys, admits only its own style and script, by their hashes, and images that are in
the page. Everything from tables, names and reasons included, is escaped by the template. The same tables give the same
page, to the byte.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from tmc_sweep.errors import StorageError
from tmc_sweep.records import OPEN, Status
from tmc_sweep.report import figures, views
from tmc_sweep.report.html import render
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.store import files
from tmc_sweep.store.read import epochs_to_have
from tmc_sweep.text import moment

MAX_SVG_BYTES = 400_000  # a figure whose SVG is larger is on the page as PNG

_HERE = Path(__file__).parent
_PROVENANCE = {  # columns of the trial table, and what the page calls them
    "versions": "Versions",
    "host": "Hosts",
    "device": "Devices",
    "threads": "Threads",
    "engine": "Engine",
    "pack_size": "Trials in a pack",
    "gpu": "GPUs of a process",
}


@dataclass(frozen=True)
class Picture:
    """A figure on the page, its image as a data URI."""

    title: str
    caption: str
    uri: str


@dataclass(frozen=True)
class Section:
    """One sweep on the page."""

    name: str
    counts: dict[str, int]  # how many trials have each status, where any has
    epochs_done: int
    epochs: int  # to be done
    last_row: str  # when the newest epoch ended; empty before the first
    left_out: str  # a sentence about trials that are not on the page; "" if there are none
    pictures: tuple[Picture, ...]
    tables: tuple[views.Table, ...]
    trials: views.Table
    provenance: dict[str, tuple[str, ...]]  # what the trials were trained with and on: by title, each value once
    search_space: str  # YAML


@dataclass(frozen=True)
class Appendix:
    """What another room says of the sweeps, at the page's end.

    `head` and `body` are HTML that is put on the page as it is, so they must be safe, and use ids of their own.
    """

    head: str  # beneath the page's title
    body: str
    foot: str  # plain text
    style: str  # CSS, after the page's own


def write_page(
    path: Path, sweeps: Sequence[SweepTables], appendix: Sequence[Appendix] = (), refresh_seconds: int | None = None
) -> bool:
    """Write the report of these sweeps, atomically; returns whether there is something left to train.

    As long as there is, a browser reloads the page every `refresh_seconds`, if given. StorageError if it cannot be
    written, or `path` is no regular file.
    """
    left = any(sweep.trials["status"].isin(OPEN).any() for sweep in sweeps)
    text = page(sweeps, appendix, refresh_seconds if left else None)
    if path.exists() and not path.is_file():  # a rename would put a file in the place of a device
        raise StorageError(f"a page must be a regular file, but {path} is none: choose another name with -o")
    files.write_beside(path, text.encode())
    return left


def page(sweeps: Sequence[SweepTables], appendix: Sequence[Appendix] = (), refresh_seconds: int | None = None) -> str:
    """The report of these sweeps as HTML; with `refresh_seconds` a browser reloads it as often."""
    style, script = ((_HERE / name).read_text() for name in ("report.css", "report.js"))
    style = "\n".join((style, *(each.style for each in appendix)))
    return render(
        _HERE / "report.html.j2",
        title=", ".join(sweep.name for sweep in sweeps),
        policy=_policy(style, script),
        style=style,
        script=script,
        refresh_seconds=refresh_seconds,
        sections=[_section(sweep) for sweep in sweeps],
        appendix=appendix,
        version=version("tmc-sweep"),
    )


def _section(sweep: SweepTables) -> Section:
    made = (views.summary(sweep), views.differences(sweep), views.evaluations(sweep))
    counts = sweep.trials["status"].value_counts().to_dict()
    return Section(
        name=sweep.name,
        counts={str(status): counts[status] for status in Status if status in counts},
        epochs_done=len(sweep.epochs),
        epochs=epochs_to_have(sweep.trials),
        last_row=moment(sweep.epochs["time"].max()) if len(sweep.epochs) else "",
        left_out=sweep.left_out,
        pictures=tuple(map(_picture, figures.of(sweep))),
        tables=tuple(table for table in made if table.rows),
        trials=views.trials(sweep),
        provenance=_provenance(sweep.trials),
        search_space=sweep.search_space,
    )


def _picture(figure: figures.Figure) -> Picture:
    drawn = figures.svg(figure).encode()
    kind, content = ("svg+xml", drawn) if len(drawn) <= MAX_SVG_BYTES else ("png", figures.png(figure))
    return Picture(figure.title, figure.caption, f"data:image/{kind};base64,{base64.b64encode(content).decode()}")


def _provenance(trials: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """What the trials were trained with and on, each different value once."""
    trials = trials.assign(gpu=trials["gpu"].where(trials["gpu"] > 0))
    known = {title: _distinct(trials[name]) for name, title in _PROVENANCE.items()}
    data = trials.dropna(subset="data_checksum")
    known["Data (SHA-256)"] = _distinct(data["data"] + " " + data["data_checksum"])
    times = {"Started": trials["started"].min(), "Ended": trials["ended"].max()}
    known |= {title: (moment(time),) for title, time in times.items() if pd.notna(time)}
    return {title: values for title, values in known.items() if values}


def _distinct(values: "pd.Series[Any]") -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values.dropna()}))


def _policy(style: str, script: str) -> str:
    """The content policy: nothing from anywhere but this style, this script and images that are data URIs."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
