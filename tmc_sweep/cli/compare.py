"""The command that compares two sweeps."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmc_sweep.cli.app import Csv, Json, Last, Metric, Results, app, check_one_format
from tmc_sweep.cli.forward import forward, on_cluster
from tmc_sweep.cli.terminal import tell
from tmc_sweep.paths import SweepPaths

if TYPE_CHECKING:
    from tmc_sweep.space.schema import Statistic


@app.command()
@on_cluster(forward)
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Name of a sweep.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help="Name of another.", show_default=False)],
    last: Last = None,
    metric: Metric = None,
    results: Results = Path("results"),
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Compare two sweeps cell by cell. Both means, and B less A over the seeds that both have, with 95 % intervals."""
    from tmc_sweep.cli.show import show_comparison
    from tmc_sweep.statistics.compare import compare as compared
    from tmc_sweep.statistics.declared import declared_statistic

    check_one_format("a comparison", as_json, as_csv)
    sweeps = [SweepPaths(results, name) for name in (first, second)]
    ours, theirs = (declared_statistic(paths, last, metric) for paths in sweeps)
    frame = compared(sweeps[0].epochs, sweeps[1].epochs, ours.last, ours.metric)
    if ours != theirs:
        tell(
            f"{first} declares {_described(ours)}, {second} {_described(theirs)}: compared by {first}'s; "
            "--metric and --last choose another one"
        )
    show_comparison(frame, (first, second), as_json=as_json, as_csv=as_csv)


def _described(statistic: "Statistic") -> str:
    return f"{statistic.metric} of the last {statistic.last} epochs ({statistic.mode})"
