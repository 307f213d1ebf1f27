"""The commands that run sweeps as jobs of a Ray cluster, watch them and stop them."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmc_sweep.cli.app import MAX_TRIALS, File, Json, MaxTrials, Name, Set, app
from tmc_sweep.cli.forward import forward, on_cluster
from tmc_sweep.cli.load import load_space
from tmc_sweep.cli.terminal import show, show_text, tell
from tmc_sweep.commands import command
from tmc_sweep.errors import SweepInterruptedError
from tmc_sweep.text import first_line

if TYPE_CHECKING:  # they load Ray
    from tmc_sweep.cluster.jobs import Job
    from tmc_sweep.cluster.server import JobServer

_LAST_LINES = 10  # of the log of a job that already runs, to begin with, as `tail -f` does

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show what it says until it ends, and end as it does.")]


@app.command()
@on_cluster(forward)
def submit(
    file: File,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            help="Folder on the head; default: its TMC_SWEEP_RESULTS, else ~/tmc_sweep_results.",
            show_default=False,
        ),
    ] = None,
    assignments: Set = None,
    max_trials: MaxTrials = MAX_TRIALS,
    follow: Follow = False,
    publish: Annotated[
        str | None,
        typer.Option(
            "--publish",
            metavar="PLACE",
            help="Where the head keeps a copy of the tables; default: its TMC_SWEEP_PUBLISH.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a sweep on a Ray cluster, as a job on its head. With -f, join it if it already runs there."""
    space = load_space(file, max_trials, assignments)
    from tmc_sweep.cluster import jobs
    from tmc_sweep.cluster.server import find_server

    server = find_server()
    job, joined = jobs.submit(server, space, results, max_trials, attach=follow, publish=publish)
    tell(
        f"{space.name} {'runs already as' if joined else 'is'} job {job.id}: follow it with "
        f"{command(f'logs {space.name} -f')}, stop it with {command(f'stop {space.name}')}"
    )
    if follow:
        _follow(server, job, _LAST_LINES if joined else None)


@app.command()
@on_cluster(forward)
def ls(as_json: Json = False) -> None:
    """List the newest job of each sweep on the Ray cluster."""
    from tmc_sweep.cli.show import show_jobs
    from tmc_sweep.cluster.jobs import list_jobs
    from tmc_sweep.cluster.server import find_server

    show_jobs(list_jobs(find_server()), as_json=as_json)


@app.command()
@on_cluster(forward)
def logs(name: Name, follow: Follow = False) -> None:
    """Show the log of a sweep's newest job."""
    from tmc_sweep.cluster.job_log import log_of
    from tmc_sweep.cluster.jobs import find_job
    from tmc_sweep.cluster.server import find_server

    server = find_server()
    job = find_job(server, name)
    if follow:
        _follow(server, job)
    else:
        show_text(log_of(server, job))


@app.command()
@on_cluster(forward)
def stop(name: Name) -> None:
    """Stop a sweep's job after a checkpoint. Submitting it again resumes."""
    from tmc_sweep.cluster import jobs
    from tmc_sweep.cluster.server import find_server

    server = find_server()
    job = jobs.find_job(server, name)
    if not job.active:
        show(f"{name}: nothing to stop, its job {job.id} has {job.state}")
        return
    tell(f"{name}: stopping, at most {jobs.STOP_SECONDS} s")
    show(f"{name}: its job {job.id} is {jobs.stop(server, job).state}; submit it again to go on")


def _follow(server: "JobServer", job: "Job", last: int | None = None) -> None:
    """Show the job's log until it ends, from its beginning or its `last` lines on, and exit with its exit code."""
    from tmc_sweep.cluster.job_log import follow

    try:
        ended = follow(server, job, show_text, last)
    except KeyboardInterrupt:
        raise SweepInterruptedError(
            f"{job.sweep} runs on: come back with {command(f'logs {job.sweep} -f')}, "
            f"or stop it with {command(f'stop {job.sweep}')}",
            signal.SIGINT,
        ) from None
    if ended.state == "stopped" or ended.driver_exit_code is None:
        tell(_end_of(ended))
    raise typer.Exit(ended.exit_code or 0)


def _end_of(job: "Job") -> str:
    """A line about how a job ended whose run could not say so in its log."""
    if job.state == "stopped":
        return f"tmc-sweep: job {job.id} was stopped: submit it again to go on"
    why = first_line(job.message).rstrip(".") or "Ray does not say why"
    return f"tmc-sweep: job {job.id} must run on the head, but {why:.200}: look at its dashboard"
