"""Submitting beside others, and what the head's shell is told. No Ray runs here."""

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from command import command
from ray.job_submission import JobDetails, JobStatus

from tmc_sweep.cluster import job_log, jobs, server
from tmc_sweep.cluster.jobs import Job, find_job, submit
from tmc_sweep.commands import CLUSTER_FILE
from tmc_sweep.errors import CannotRunError, InputError, SweepBusyError
from tmc_sweep.space.load import parse

MINE = "{name: grid, base: {data: digits, epochs: 3}}"
THEIRS = "{name: grid, base: {data: digits, epochs: 4}}"


@dataclass
class Server:
    """Keeps jobs as Ray does; another is faster with `rival`, if there is one, or the answer is lost."""

    rival: str | None = None
    lost: bool = False
    jobs: list[JobDetails] = field(default_factory=list)
    joined: bool = False

    def list_jobs(self) -> list[JobDetails]:
        return self.jobs

    def get_job_info(self, _: str) -> JobDetails:
        return self.jobs[-1]

    def stop_job(self, _: str) -> None:
        pass

    def submit_job(self, **job: Any) -> None:
        if self.rival:
            other = Server(jobs=self.jobs)
            text, self.rival = self.rival, None
            submit(other, parse(text, ""), None, 10, attach=False)
        if any(known.submission_id == job["submission_id"] for known in self.jobs):
            raise RuntimeError(f"Request failed: ValueError: Job {job['submission_id']} already exists.")
        self.files = {path.name: path.read_text() for path in Path(job["runtime_env"].pop("working_dir")).iterdir()}
        self.jobs.append(JobDetails(type="SUBMISSION", status="RUNNING", **job))
        if self.lost:
            raise ConnectionError

    def end(self) -> None:
        self.jobs[-1].status = JobStatus.FAILED

    def get_address(self) -> str:
        return "http://there"

    def send(self, text: str, *, attach: bool = False, results: Path | None = None) -> Job:
        job, self.joined = submit(self, parse(text, "grid.yaml"), results, 10, attach=attach)
        return job


def test_each_submission_has_a_number_of_its_own():
    server = Server()
    assert server.send(MINE).id == "tmc-sweep-grid-1"
    server.end()
    assert server.send(MINE, attach=True).id == "tmc-sweep-grid-2"
    assert not server.joined
    assert server.send(MINE, attach=True).id == "tmc-sweep-grid-2"
    assert server.joined


@pytest.mark.parametrize("attach", [False, True])
def test_of_two_at_one_moment_one_is_turned_away(attach: bool):
    server = Server(rival=THEIRS)
    with pytest.raises(SweepBusyError, match=r"job tmc-sweep-grid-1, with another search space"):
        server.send(MINE, attach=attach)
    assert len(server.jobs) == 1


def test_of_two_that_ask_for_the_same_at_one_moment_both_have_it():
    assert Server(rival=MINE).send(MINE).id == "tmc-sweep-grid-1"


def test_an_answer_that_is_lost_is_asked_for_again():
    assert Server(lost=True).send(MINE).id == "tmc-sweep-grid-1"


def test_a_server_that_refuses_is_an_error():
    server = Server(jobs=[])
    server.submit_job = lambda **_: (_ for _ in ()).throw(RuntimeError("no agent"))  # type: ignore[method-assign]
    with pytest.raises(CannotRunError, match="but it says no agent"):
        server.send(MINE)


def test_another_results_folder_is_another_job(tmp_path: Path):
    server = Server()
    server.send(MINE)
    with pytest.raises(SweepBusyError, match="with another search space, results folder or copy"):
        server.send(MINE, attach=True, results=tmp_path)
    assert server.send(MINE, attach=True).number == 1


def test_results_of_a_job_are_an_absolute_folder():
    with pytest.raises(InputError, match="must be an absolute folder of the head, but got here: write it whole"):
        Server().send(MINE, results=Path("here"))
    assert Server().send(MINE, results=Path("/head/here")).number == 1


def test_a_name_without_a_job_has_one_once_it_is_submitted():
    server = Server()
    with pytest.raises(InputError, match="got 'grid' where there are none at all: submit it with `tmc-sweep submit FI"):
        find_job(server, "grid")
    assert server.send(MINE) == find_job(server, "grid")


def test_who_joins_follows_from_the_last_lines_and_who_starts_it_from_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def follow(there: Server, job: Job, show: object, last: int | None) -> Job:
        begun.append(last)
        return replace(job, state="succeeded")

    begun: list[int | None] = []
    there = Server()
    monkeypatch.setattr(server, "find_server", lambda: there)
    monkeypatch.setattr(job_log, "follow", follow)
    file = tmp_path / "grid.yaml"
    file.write_text(MINE)
    said = [command("submit", file, "-f").err.partition(":")[0] for _ in range(2)]
    assert begun == [None, 10]
    assert said == ["grid is job tmc-sweep-grid-1", "grid runs already as job tmc-sweep-grid-1"]


def test_a_job_that_never_ran_says_what_ray_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    there = Server()
    monkeypatch.setattr(server, "find_server", lambda: there)
    monkeypatch.setattr(job_log, "follow", lambda _, job, *__: replace(job, state="failed", message="No disk.\nMore"))
    file = tmp_path / "grid.yaml"
    file.write_text(MINE)
    ended = command("submit", file, "-f")
    assert ended.code == 3
    assert "job tmc-sweep-grid-1 must run on the head, but No disk: look at its dashboard\n" in ended.err


def test_a_job_names_commands_as_who_asked_for_it_must_write_them(monkeypatch: pytest.MonkeyPatch):
    there = Server()
    monkeypatch.setenv(CLUSTER_FILE, "my cluster.yaml")
    there.send(MINE)
    assert there.jobs[0].runtime_env["env_vars"][CLUSTER_FILE] == "my cluster.yaml"


def test_a_stop_takes_as_long_as_it_says_and_ray_kills_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    there = Server()
    there.send(MINE)
    assert 60 <= int(there.jobs[0].runtime_env["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) <= jobs.STOP_SECONDS - 10
    monkeypatch.setattr(jobs, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(server, "find_server", lambda: there)
    ended = command("stop", "grid")
    assert (ended.code, "grid: stopping, at most 0.1 s" in ended.err) == (3, True)
    assert "must end within 0.1 s of being told to, but tmc-sweep-grid-1 is running" in ended.err
    there.end()
    assert command("stop", "grid").code == 0


SHOWS = '#!/bin/sh\npwd\nfor each in "$@"; do echo "$each"; done\n'


def run_entrypoint(server: Server, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder with the files that travelled, where tmc-sweep shows its arguments."""
    script, home = folder / "bin" / "tmc-sweep", folder / "home"
    script.parent.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    script.write_text(SHOWS)
    script.chmod(0o755)
    for name, text in server.files.items():
        (folder / name).write_text(text)
    path = {"PATH": f"{script.parent}:{os.defpath}", "HOME": str(home)}
    return subprocess.run(
        ["sh", "-c", server.jobs[0].entrypoint], env={**path, **environment}, cwd=folder, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("results", "variable", "says"),
    [
        (None, {}, "{home}/tmc_sweep_results"),
        (None, {"TMC_SWEEP_RESULTS": "/results of all"}, "/results of all"),
        ("/it's $HOME", {"TMC_SWEEP_RESULTS": "/other"}, "/it's $HOME"),
    ],
)
def test_the_head_runs_the_file_that_travelled(
    tmp_path: Path, results: str | None, variable: dict[str, str], says: str
):
    server = Server()
    server.send(MINE, results=Path(results) if results else None)
    assert (server.files["grid.yaml"], len(server.files)) == (MINE, 2)
    home = tmp_path / "home"
    shown = run_entrypoint(server, tmp_path, **variable).stdout.splitlines()
    results_folder = says.format(home=home)
    assert shown == [str(home), "run", f"{tmp_path}/grid.yaml", "--results", results_folder, "--max-trials", "10"]


def test_the_copy_of_a_job_is_part_of_what_it_does(tmp_path: Path):
    server, space, uri = Server(), parse(MINE, ""), "s3://bucket/it's?scheme=http&region=x"
    submit(server, space, None, 10, attach=False, publish=uri)
    assert run_entrypoint(server, tmp_path).stdout.splitlines()[-2:] == ["--publish", uri]
    with pytest.raises(SweepBusyError):
        submit(server, space, None, 10, attach=True)
    with pytest.raises(InputError, match="must hold no secret"):
        submit(Server(), space, None, 10, attach=True, publish="s3://key:secret@bucket/path")


def test_a_head_without_tmc_sweep_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    server = Server()
    server.send(MINE)
    ended = run_entrypoint(server, tmp_path, PATH="/usr/bin:/bin")
    assert (ended.returncode, ended.stdout.count("\n")) == (3, 1)
    assert "a job runs `tmc-sweep` on the head, but its PATH has none: install" in ended.stdout
    assert run_entrypoint(server, tmp_path, PATH=f"/usr/bin:/bin:{tmp_path}/bin").returncode == 0
