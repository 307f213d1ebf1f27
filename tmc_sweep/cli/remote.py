"""The command that brings a sweep here from where it was trained: a cluster's head, or a published copy."""

from pathlib import Path
from typing import Annotated

import typer

from tmc_sweep.cli.app import Name, Results, app
from tmc_sweep.cli.forward import Cluster
from tmc_sweep.cli.terminal import tell
from tmc_sweep.errors import InputError
from tmc_sweep.paths import SweepPaths

Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URI",
        help="Where `run --publish` copies it to: s3://…, gs://…, a folder.",
        show_default=False,
    ),
]


@app.command()
def pull(name: Name, cluster: Cluster = None, source: Source = None, results: Results = Path("results")) -> None:
    """Fetch a sweep's tables from a cluster or a copy. Not its checkpoints; also while it runs. Rows here are kept."""
    if cluster is not None and source is None:
        from tmc_sweep.cluster.fetch import fetch as fetch_from_head
        from tmc_sweep.cluster.launcher import find_head

        paths = fetch_from_head(find_head(cluster), name, results)
    elif source is not None and cluster is None:
        from tmc_sweep.store.publish import fetch as fetch_copy

        paths = SweepPaths(results, name)
        fetch_copy(source, paths)
    else:
        raise InputError(
            f"a sweep must be brought from one place, but got {'both' if cluster else 'neither'} of --cluster FILE "
            "and --from URI: give one"
        )
    tell(f"tables: {paths.epochs} (every epoch), {paths.trials}, {paths.summary}")
