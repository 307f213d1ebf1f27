"""The commands that show a sweep from its tables alone."""

from pathlib import Path
from typing import Annotated

import typer

from tmc_sweep.cli.app import Name, Results, app, messages
from tmc_sweep.paths import SweepPaths


@app.command()
def figures(
    name: Name,
    results: Results = Path("results"),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder; default: NAME.figures beside the tables.", show_default=False),
    ] = None,
) -> None:
    """Draw a sweep's figures from its tables as they are now, each as PNG and SVG, and print where they are."""
    from tmc_sweep.report.figures import of, write
    from tmc_sweep.report.tables import SweepTables

    sweep = SweepTables.read(results, name)
    if sweep.epochs.empty:
        messages.print(f"{name}: no epochs yet", markup=False)
    for path in write(of(sweep), output or SweepPaths(results, name).figures):
        typer.echo(path)
