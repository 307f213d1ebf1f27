"""The commands that show a sweep from its tables alone."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from tmc_sweep.cli.app import Name, Results, app
from tmc_sweep.cli.terminal import show, tell
from tmc_sweep.errors import InputError
from tmc_sweep.paths import SweepPaths

_SECONDS = 10  # between two pages


@app.command()
def figures(
    name: Name,
    results: Results = Path("results"),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder; default: NAME.figures beside the tables.", show_default=False),
    ] = None,
) -> None:
    """Draw a sweep's figures as PNG and SVG. From its tables as they are now; prints where they are."""
    from tmc_sweep.report.figures import of, write
    from tmc_sweep.report.tables import SweepTables

    sweep = SweepTables.read(results, name)
    if sweep.left_out:
        tell(sweep.left_out)
    if sweep.epochs.empty:
        tell(f"{name}: no epochs yet")
    for path in write(of(sweep), output or SweepPaths(results, name).figures):
        show(path)


@app.command()
def report(
    names: Annotated[list[str], typer.Argument(help="Names of sweeps.", show_default=False)],
    results: Results = Path("results"),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File; default: NAME.report.html beside the tables.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Write it again until all is trained.")] = False,
    every: Annotated[
        int | None,
        typer.Option("--every", min=1, help="Seconds between, with --watch; default: 10.", show_default=False),
    ] = None,
) -> None:
    """Write one HTML page about these sweeps. As they are now; those of the article beside its numbers and claims."""
    if every and not watch:
        raise InputError(f"--every must be given with --watch, but got --every {every} alone: add --watch")
    seconds = every or _SECONDS
    path = output or SweepPaths(results, names[0]).report
    left = _write(path, results, names, seconds if watch else None)
    show(path)
    while left and watch:
        time.sleep(seconds)
        left = _write(path, results, names, seconds)


def _write(path: Path, results: Path, names: Iterable[str], refresh_seconds: int | None) -> bool:
    """Write the page of these sweeps, with the article's appendix; whether something is left to train."""
    from tmc_sweep.article.appendix import appendix
    from tmc_sweep.report.page import write_page
    from tmc_sweep.report.tables import SweepTables

    sweeps = [SweepTables.read(results, name) for name in dict.fromkeys(names)]
    return write_page(path, sweeps, appendix(sweeps), refresh_seconds)
