"""The command that brings a sweep here from where it was trained."""

from pathlib import Path

from tmc_sweep.cli.app import Name, Results, app, messages
from tmc_sweep.cli.forward import Cluster
from tmc_sweep.errors import InputError


@app.command()
def pull(
    name: Name,
    cluster: Cluster = None,
    results: Results = Path("results"),
) -> None:
    """Bring a sweep's tables here, without its checkpoints; also while it runs there. No row that is here is lost."""
    from tmc_sweep.cluster.fetch import fetch
    from tmc_sweep.cluster.launcher import find_head

    if cluster is None:
        raise InputError("a sweep must be brought from somewhere, but got no --cluster: name the file of `ray up`")
    head = find_head(cluster)
    head.check_version()
    paths = fetch(head, name, results)
    messages.print(f"tables: {paths.epochs} (every epoch), {paths.trials}, {paths.summary}", markup=False)
