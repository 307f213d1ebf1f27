"""Sweeps as jobs of a Ray cluster: the head runs them, and goes on when we leave.

The n-th job of a sweep has the id `tmc-sweep-NAME-n`. Ray accepts an id once, so of two users who submit the same sweep
at one moment one is refused. A later job gets the next number, and not the same id again, because Ray never empties the
log of an id.
"""

import hashlib
import os
import re
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ray.job_submission import JobDetails

from tmc_sweep.cluster.server import JobServer, asking
from tmc_sweep.commands import CLUSTER_FILE, command
from tmc_sweep.errors import CannotRunError, InputError, SweepBusyError
from tmc_sweep.paths import check_name
from tmc_sweep.space import SearchSpace
from tmc_sweep.store.copy_storage import copy_storage

STOP_SECONDS = 120  # that stopping a job may take
_DRAIN_SECONDS = STOP_SECONDS - 15  # after which Ray kills the job; by default 3 s, too few for checkpoints
_ID = re.compile(r"tmc-sweep-(.+)-(\d+)")
_NO_SCRIPT = (
    "tmc-sweep: a job runs `tmc-sweep` on the head, but its PATH has none: install the head's Ray and tmc-sweep "
    "together, and start it with their folder on PATH"
)
_ACTIVE = ("pending", "running")
_STOPPED = 143  # the exit code of a run that SIGTERM ended
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """One submission of a sweep to a cluster, as it was when it was asked for."""

    id: str
    sweep: str
    number: int  # among the sweep's jobs, from 1
    state: str  # pending, running, succeeded, failed or stopped
    started: datetime | None
    ended: datetime | None
    driver_exit_code: int | None  # of the command in it; negative: of a signal; None: it has not ended, or never ran
    message: str  # Ray's
    identity: str  # a hash of its search space, results folder and copy

    @property
    def active(self) -> bool:
        """Whether it runs or will run, so that it may still write tables."""
        return self.state in _ACTIVE

    @property
    def exit_code(self) -> int | None:
        """The exit code of the command in it, as a shell would have it; 3 if it never ran, None while it is active."""
        match self.state:
            case "pending" | "running":
                return None
            case "succeeded":
                return 0
            case "stopped":
                return _STOPPED
        if self.driver_exit_code is None:
            return CannotRunError.exit_code
        return self.driver_exit_code if self.driver_exit_code >= 0 else 128 - self.driver_exit_code


def list_jobs(server: JobServer) -> list[Job]:
    """The newest job of each sweep, in the order of the sweeps' names. CannotRunError as `server.asking`."""
    newest: dict[str, Job] = {}
    with asking(server):
        details = server.list_jobs()
    for job in sorted(filter(None, map(_job, details)), key=lambda job: (job.sweep, job.number)):
        newest[job.sweep] = job
    return list(newest.values())


def find_job(server: JobServer, name: str) -> Job:
    """The newest job of a sweep; InputError if there is none."""
    check_name(name)
    jobs = {job.sweep: job for job in list_jobs(server)}
    if name not in jobs:
        there = ", ".join(jobs) or "none at all"
        raise InputError(
            f"the name must be that of a sweep with a job on the cluster at {server.get_address()}, but got {name!r} "
            f"where there are {there}: submit it with {command('submit FILE')}"
        )
    return jobs[name]


def refreshed(server: JobServer, job: Job) -> Job:
    """The job as it is now; CannotRunError as `server.asking`."""
    with asking(server):
        return _job(server.get_job_info(job.id)) or job


def submit(
    server: JobServer,
    space: SearchSpace,
    results: Path | None,
    max_trials: int,
    *,
    attach: bool,
    publish: str | None = None,
) -> tuple[Job, bool]:
    """Send the sweep to the cluster as a job; the job, and whether it ran there already.

    `results` is an absolute folder on the head, None for its usual one; `publish` is where the head keeps a copy of the
    tables. With `attach`, a job that is active and does the same is returned.

    SweepBusyError if another job of that name is active, InputError if `results` or `publish` is no such place,
    CannotRunError if the server does not take the job.
    """
    if results and not results.is_absolute():
        raise InputError(
            f"--results of a job must be an absolute folder of the head, but got {results}: write it whole"
        )
    if publish:
        copy_storage(publish, space.name)  # or an InputError
    script = _script(space.name, results, max_trials, publish)
    identity = hashlib.sha256(f"{results or ''}\n{publish or ''}\n{space.text}".encode()).hexdigest()
    last = _last(server, space.name)
    if last is None or not last.active:
        number = last.number + 1 if last else 1
        try:
            return _send(server, space, script, identity, number), False
        except CannotRunError:  # somebody else was faster, or the job was sent and only the answer was lost
            last = _last(server, space.name)
            if last is None or last.number < number:
                raise
            attach = True
    if attach and last.identity == identity:
        return last, True
    raise SweepBusyError(
        f"a sweep must run once at a time, but {space.name!r} is {last.state} as job {last.id}"
        f"{'' if last.identity == identity else ', with another search space, results folder or copy'}: follow it with "
        f"{command(f'logs {space.name} -f')}, or stop it with {command(f'stop {space.name}')}"
    )


def stop(server: JobServer, job: Job) -> Job:
    """Let the job checkpoint and end, wait until it has, and return it as it then is; at once if it is not active.

    CannotRunError if it does not end within STOP_SECONDS.
    """
    if job.active:
        with asking(server):
            server.stop_job(job.id)
    patience = time.monotonic() + STOP_SECONDS
    while (job := refreshed(server, job)).active:
        if time.monotonic() > patience:
            raise CannotRunError(
                f"a job must end within {STOP_SECONDS:g} s of being told to, but {job.id} is {job.state}: "
                "look at the head, and run the same command again"
            )
        time.sleep(_POLL_SECONDS)
    return job


def _last(server: JobServer, name: str) -> Job | None:
    return next((job for job in list_jobs(server) if job.sweep == name), None)


def _send(server: JobServer, space: SearchSpace, script: str, identity: str, number: int) -> Job:
    name = f"tmc-sweep-{space.name}-{number}"
    variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(_DRAIN_SECONDS)}
    if CLUSTER_FILE in os.environ:  # so that commands in the job's messages suit whoever asked
        variables[CLUSTER_FILE] = os.environ[CLUSTER_FILE]
    with tempfile.TemporaryDirectory(prefix="tmc_sweep-job-") as folder, asking(server):
        Path(folder, f"{space.name}.yaml").write_text(space.text, encoding="utf-8", newline="")
        Path(folder, "run.sh").write_text(script, encoding="utf-8")
        server.submit_job(
            entrypoint="exec sh run.sh",  # short, since Ray writes it at the log's beginning
            submission_id=name,
            metadata={"tmc_sweep": identity},
            runtime_env={"working_dir": folder, "env_vars": variables},
        )
    return find_job(server, space.name)


def _script(name: str, results: Path | None, max_trials: int, publish: str | None) -> str:
    """The shell script of a job; it ends with `exec`, so that stopping the job stops the run and no shell before it.

    `tmc-sweep` is looked for on the head's PATH. If somebody started Ray by its whole path, the folder of its
    environment may not be there; if the head is this machine, the script beside our Python then serves. Relative
    folders in the head's variables are relative to its home.
    """
    folder = shlex.quote(str(results)) if results else '"${TMC_SWEEP_RESULTS:-$HOME/tmc_sweep_results}"'
    copy = f" --publish {shlex.quote(publish)}" if publish else ""
    beside = shlex.quote(str(Path(sys.executable).parent))
    return f"""PATH="$PATH":{beside}
command -v tmc-sweep > /dev/null || {{ echo {shlex.quote(_NO_SCRIPT)}; exit 3; }}
file="$PWD/{name}.yaml"
cd
exec tmc-sweep run "$file" --results {folder} --max-trials {max_trials}{copy}
"""


def _job(details: JobDetails) -> Job | None:
    """The job that Ray's details describe; None if it is not ours: Ray also lists programs that joined the cluster."""
    match = _ID.fullmatch(details.submission_id or "")
    identity = (details.metadata or {}).get("tmc_sweep")
    if match is None or identity is None:
        return None
    return Job(
        id=match[0],
        sweep=match[1],
        number=int(match[2]),
        state=details.status.value.lower(),
        started=_time(details.start_time),
        ended=_time(details.end_time),
        driver_exit_code=details.driver_exit_code,
        message=details.message or "",
        identity=identity,
    )


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
