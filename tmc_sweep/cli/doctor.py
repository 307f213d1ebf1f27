"""`doctor`: what is wrong here and on the cluster, before a sweep finds out."""

import json
from pathlib import Path

import typer

from tmc_sweep.cli.app import Json, Results, app
from tmc_sweep.cli.forward import forward, on_cluster
from tmc_sweep.cli.terminal import show, show_text
from tmc_sweep.errors import CannotRunError


@app.command()
@on_cluster(forward)
def doctor(results: Results = Path("results"), as_json: Json = False) -> None:
    """Check this machine, and the cluster that a run would join. A line per node and check, with the fix."""
    from tmc_sweep.cluster.doctor import examine

    checks = []
    for check in examine(results):
        checks.append(check)
        if not as_json:
            fix = f": {check.fix}" if check.fix else ""
            show(f"{'ok' if check.ok else 'bad':<4} {check.what:<20} {check.found}{fix}")
    if as_json:
        show_text(json.dumps([check._asdict() for check in checks], indent=2) + "\n")
    if not all(check.ok for check in checks):
        raise typer.Exit(CannotRunError.exit_code)
