"""The command that hands a sweep's tables to other programs."""

from pathlib import Path
from typing import Annotated

import typer

from tmc_sweep.cli.app import Name, Results, app
from tmc_sweep.cli.terminal import show
from tmc_sweep.paths import SweepPaths

_LOOK = {
    "csv": "",
    "tensorboard": ": tensorboard --logdir {}",
    "mlflow": ": MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {}",
}


@app.command()
def export(
    name: Name,
    to: Annotated[str, typer.Option("--to", help="csv, tensorboard or mlflow.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.", show_default=False)],
    results: Results = Path("results"),
) -> None:
    """Write a sweep for other programs. Each trial is a run there, each epoch a step."""
    from tmc_sweep.statistics.export import export as write

    n_trials = write(SweepPaths(results, name).epochs, to, output)
    show(f"{name}: {n_trials} trials with epochs are in {output}{_LOOK[to].format(output)}")
