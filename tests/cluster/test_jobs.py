"""Sweeps as jobs of a real `ray start` with its dashboard and a token: sent, followed, stopped, gone on with."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from command import Ended, start
from place import Place, own_place
from twin import expected, n_rows, outcomes, table
from wait import HANGS_SECONDS, wait_until

from tests.cluster.sshd import free_port
from tmc_sweep.data import load
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.space.load import parse
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import read_trials

pytestmark = pytest.mark.cluster

YAML = """# sent as it is
name: story
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 200, test_images: 50,
       batch_size: 64, epochs: EPOCHS}
statistic: {last: 20}
resources: {checkpoint_seconds: 3600, gpu: 0}
"""
NEVER = 1_000_000  # epochs of a sweep that is to be stopped


@dataclass
class Cluster:
    """A head with two cores on this machine, and who may use it."""

    place: Place
    home: Path
    port: int = field(default_factory=free_port)
    dashboard: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        """Of a command that finds it as `ray start` left it here, and of its own processes."""
        return {**self.place.environment, "HOME": str(self.home)}

    def start(self) -> None:
        """Its folder is not on PATH, as where a user starts it by its path."""
        options = {
            "port": self.port,
            "dashboard-host": "127.0.0.1",
            "dashboard-port": self.dashboard,
            "dashboard-agent-listen-port": free_port(),
            "ray-client-server-port": free_port(),
            "num-cpus": 2,
            "num-gpus": 0,
            "object-store-memory": 150_000_000,
            "temp-dir": self.place.temporary / "ray",
        }
        subprocess.run(
            [Path(sys.executable).with_name("ray"), "start", "--head", "--disable-usage-stats"]
            + [f"--{name}={value}" for name, value in options.items()],
            env={**os.environ, **self.environment, "RAY_AUTH_MODE": "token", "PATH": "/usr/bin:/bin"},
            check=True,
            capture_output=True,
            timeout=HANGS_SECONDS,
        )

    def begin(self, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        return start(*arguments, **{**self.environment, **environment})

    def command(self, *arguments: object, **environment: str) -> Ended:
        return ended(self.begin(*arguments, **environment))


def ended(process: subprocess.Popen[str]) -> Ended:
    with process:
        try:
            out, err = process.communicate(timeout=HANGS_SECONDS)
        finally:
            process.kill()  # nothing, if it has ended
    return Ended(process.returncode, out, err)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("home")
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text(secrets.token_hex(32))
    with own_place() as place, ExitStack() as at_the_end:
        at_the_end.callback(shutil.rmtree, place.temporary / "ray")
        at_the_end.callback(place.running_after)
        at_the_end.callback(place.kill)
        head = Cluster(place, home)
        head.start()
        yield head


@dataclass
class Story:
    """What commands said, and what was in the table when the job had been stopped."""

    file: Path
    paths: SweepPaths
    epochs: int = NEVER
    told: dict[str, Ended] = field(default_factory=dict)
    rows: int = 0
    trials: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def text(self) -> str:
        return YAML.replace("EPOCHS", str(self.epochs))


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Submitted and followed; others come while it runs; stopped in mid-sweep; submitted again, to an end."""
    folder = tmp_path_factory.mktemp("story")
    file, other = folder / "story.yaml", folder / "other.yaml"
    told = Story(file, SweepPaths(cluster.home / "tmc_sweep_results", "story"))
    file.write_text(told.text)
    other.write_text(told.text.replace(f"{NEVER}", f"{NEVER - 1}"))
    gcs, http = f"127.0.0.1:{cluster.port}", f"http://127.0.0.1:{cluster.dashboard}"

    following = cluster.begin("submit", file, "-f")
    first_line(following)  # it is sent, and takes seconds to begin
    joining = cluster.begin("submit", file, "--follow", RAY_ADDRESS=http)
    meanwhile = {
        "again": cluster.begin("submit", file, RAY_ADDRESS=gcs),
        "another": cluster.begin("submit", other, "-f", RAY_API_SERVER_ADDRESS=http),
        "ls": cluster.begin("ls", "--json", RAY_ADDRESS="auto"),
    }
    told.told |= {name: ended(process) for name, process in meanwhile.items()}
    first_line(joining)
    joining.send_signal(signal.SIGINT)
    told.told["joined"] = ended(joining)
    wait_until(lambda: n_rows(told.paths.epochs) > 0, following)
    told.told["stop"] = cluster.command("stop", "story")
    told.told["stopped"] = ended(following)
    told.rows, told.trials = n_rows(told.paths.epochs), read_trials(told.paths.epochs)
    told.told["stop again"] = cluster.command("stop", "story")
    told.epochs = told.rows + 20
    file.write_text(told.text)
    told.told["the end"] = cluster.command("submit", file, "-f")
    told.told["ls at the end"] = cluster.command("ls")
    return told


def first_line(process: subprocess.Popen[str]) -> None:
    assert process.stderr
    process.stderr.readline()


def test_a_name_that_already_runs_is_turned_away_and_told_how_to_join(story: Story):
    told = story.told["again"]
    assert (told.code, told.out) == (75, "")
    assert told.err.replace("pending", "running") == (
        "tmc-sweep: a sweep must run once at a time, but 'story' is running as job tmc-sweep-story-1: follow it with "
        "`tmc-sweep logs story -f`, or stop it with `tmc-sweep stop story`\n"
    )


def test_another_search_space_of_that_name_cannot_be_followed_into_it(story: Story):
    told = story.told["another"]
    assert (told.code, told.out, told.err.count("\n")) == (75, "", 1)
    assert "job tmc-sweep-story-1, with another search space, results folder or copy: follow it" in told.err


def test_the_same_search_space_joins_and_leaves_with_ctrl_c_while_the_job_runs_on(story: Story):
    told = story.told["joined"]
    assert told.code == 130
    assert told.err == (
        "tmc-sweep: story runs on: come back with `tmc-sweep logs story -f`, or stop it with `tmc-sweep stop story`\n"
    )
    assert story.told["stop"].code == 0


def test_ls_lists_the_newest_job_of_each_sweep(story: Story):
    (job,) = story.told["ls"].json
    assert job.pop("started").endswith("+00:00")
    assert job.pop("state") in ("pending", "running")
    assert job == {"name": "story", "exit_code": None, "ended": None, "job": "tmc-sweep-story-1"}
    line = story.told["ls at the end"].out.splitlines()[-1].split()
    assert (line[:3], line[-1]) == (["story", "succeeded", "0"], "tmc-sweep-story-2")


def test_a_stop_checkpoints_the_last_epoch_that_was_stored_and_ends_who_followed(story: Story):
    assert story.told["stop"].out == "story: its job tmc-sweep-story-1 is stopped; submit it again to go on\n"
    told = story.told["stopped"]
    assert told.code == 143
    assert told.out.endswith("tmc-sweep: stopped by SIGTERM: run the same command to go on\n")
    assert told.err.endswith("job tmc-sweep-story-1 was stopped: submit it again to go on\n")
    assert story.rows > 0
    assert story.rows == story.trials["epochs_done"].sum()
    assert (story.trials["checkpoint_epoch"].fillna(0) == story.trials["epochs_done"]).all()
    assert story.told["stop again"].code == 0
    assert story.told["stop again"].out == "story: nothing to stop, its job tmc-sweep-story-1 has stopped\n"


def test_submitting_again_after_its_sigterm_goes_on_and_equals_a_sweep_never_stopped(story: Story):
    assert story.told["stopped"].out.endswith("stopped by SIGTERM: run the same command to go on\n")
    told = story.told["the end"]
    assert told.code == 0
    frame = table(story.paths.epochs)
    assert (len(frame), set(read_trials(story.paths.epochs)["status"])) == (story.epochs, {Status.DONE})
    assert (frame["attempt"] == 1).sum() == story.rows
    pd.testing.assert_frame_equal(
        outcomes(frame), expected(parse(story.text, "story.yaml").trials(), load("digits")), check_exact=True
    )
    assert "best (max): iwae" in told.out
    (began,) = [line for line in told.out.splitlines() if "Running entrypoint" in line]  # and none of the job before
    assert began == "Running entrypoint for job tmc-sweep-story-2: exec sh run.sh"


def test_what_was_sent_is_stored_as_by_a_plain_run(story: Story):
    manifest = read_manifest(story.paths)
    assert manifest
    assert manifest.search_space == story.text


def test_a_sweep_that_a_plain_run_holds_ends_the_job_and_who_follows_it_with_75(
    cluster: Cluster, story: Story, tmp_path: Path
):
    with sweep_lock(SweepPaths(tmp_path, "other")):
        told = cluster.command("submit", story.file, "-f", "--set", "name=other", "--results", tmp_path)
    assert told.code == 75, told.err
    assert f"another run holds sweep 'other': pid {os.getpid()} on " in told.out
    looks = [("logs", "other", "-f"), ("logs", "other"), ("ls", "--json")]
    again, log, listed = [ended(process) for process in [cluster.begin(*look) for look in looks]]
    assert (again.code, again.out, log.out) == (75, told.out, told.out)
    jobs = {job["name"]: (job["state"], job["exit_code"]) for job in listed.json}
    assert jobs == {"other": ("failed", 75), "story": ("succeeded", 0)}


@pytest.mark.parametrize(
    ("token", "address", "mode"),
    [
        ("0" * 64, "http://127.0.0.1:{dashboard}", "disabled"),
        ("0" * 64, "127.0.0.1:{port}", "token"),
        (None, "http://127.0.0.1:{dashboard}", "disabled"),
        (None, "http://127.0.0.1:{dashboard}", "token"),
        (None, "127.0.0.1:{port}", "token"),
    ],
)
def test_a_wrong_token_is_refused(cluster: Cluster, tmp_path: Path, token: str | None, address: str, mode: str):
    (tmp_path / ".ray").mkdir()
    if token:
        (tmp_path / ".ray" / "auth_token").write_text(token)
    address = address.format(dashboard=cluster.dashboard, port=cluster.port)
    told = cluster.command("ls", HOME=str(tmp_path), RAY_ADDRESS=address, RAY_AUTH_MODE=mode)
    assert (told.code, told.out, told.err.count("\n")) == (3, "", 1), told.err
    assert f"its token, but it refuses ours: copy the head's ~/.ray/auth_token to {tmp_path}" in told.err


def test_the_heads_token_copied_to_where_the_error_says_opens_it(cluster: Cluster, tmp_path: Path):
    (tmp_path / ".ray").mkdir()
    shutil.copy(cluster.home / ".ray" / "auth_token", tmp_path / ".ray")
    assert cluster.command("ls", HOME=str(tmp_path), RAY_ADDRESS=f"127.0.0.1:{cluster.port}").code == 0


def test_a_name_without_a_job(cluster: Cluster):
    told = cluster.command("logs", "grid", RAY_ADDRESS=f"http://127.0.0.1:{cluster.dashboard}")
    assert (told.code, told.out) == (2, "")
    assert "the name must be that of a sweep with a job on the cluster" in told.err
