"""`ray up cluster/onprem.yaml` and `--cluster`, against a head that is really logged in to over SSH.

The head is this machine with another home and other temporary files (sshd.py). The file is the shipped one but for the
host, the account, the key, the ports, and the setup: nothing is installed, the running interpreter's programs are
linked to. Its `ray` is a wrapper: `ray down` runs `ray stop` on the head, which ends every Ray of the machine, so there
`stop` ends this head's processes alone.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from command import driver
from place import own_place
from ruamel.yaml import YAML
from twin import expected, outcomes, table
from wait import HANGS_SECONDS, wait_until

from tests.cluster.files import load
from tests.cluster.sshd import Machine, free_port, machine
from tmc_sweep.data import load as load_data
from tmc_sweep.space.load import parse

BIN = Path(sys.executable).parent
RAY = """#!/usr/bin/env bash
[ "$1" = stop ] || exec {ray} "$@"
for process in /proc/[0-9]*; do
  if grep -qs {marker} $process/environ && grep -qsE '/ray/|ray::|ray-dashboard|ray\\.util' $process/cmdline; then
    kill -9 "${{process#/proc/}}"
  fi
done
"""
SPACE = """
name: {name}
base: {{objective: iwae, architecture: {{latents: [12, 4]}}, train_images: 100, test_images: 40, epochs: {epochs}}}
seeds: 1
statistic: {{last: 2}}
resources: {{pack: 1, checkpoint_seconds: 0.2}}
"""


@dataclass(frozen=True)
class Laptop:
    """Another home on this machine, with a project's folder, which knows the head by its cluster file."""

    folder: Path
    environment: dict[str, str]
    cluster: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def start(self, *command: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BIN / str(command[0]), *map(str, command[1:])],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*command)
        try:
            out, err = process.communicate(timeout=HANGS_SECONDS)
        finally:
            vanish(process)
        assert process.returncode == code, f"{process.returncode}\n{out[-3000:]}\n{err[-3000:]}"
        return subprocess.CompletedProcess(process.args, code, out, err)

    def sweep(self, verb: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.run("tmc-sweep", verb, *arguments, "--cluster", self.cluster, code=code)

    def space(self, name: str, epochs: int) -> Path:
        file = self.folder / f"{name}-{epochs}.yaml"
        file.write_text(SPACE.format(name=name, epochs=epochs))
        return file

    def with_cluster(self, **auth: object) -> "Laptop":
        """The same with other ways to log in; by another name, or ssh would use a connection that is there."""
        config = YAML(typ="safe").load(self.cluster)
        config["cluster_name"] += "-other"
        config["auth"] |= auth
        file = self.cluster.with_name("other.yaml")
        YAML(typ="safe").dump(config, file)
        return replace(self, cluster=file)


def vanish(process: subprocess.Popen[str]) -> None:
    """As when the laptop is closed: the command and its ssh are gone at once."""
    with suppress(ProcessLookupError, FileNotFoundError, ValueError):  # it has ended, or has no child
        os.killpg(driver(process), signal.SIGKILL)  # its ssh is of that group
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def cluster_file(head: Machine, folder: Path) -> Path:
    """cluster/onprem.yaml with this head, and with programs that are there already."""
    config, port = load("onprem.yaml"), free_port()
    config["cluster_name"] = f"tmc-test-{port}"  # also names a connection that ssh keeps for some seconds
    config["provider"] |= {"head_ip": "127.0.0.1", "worker_ips": []}
    config["auth"] = {"ssh_user": head.user, "ssh_private_key": str(head.key), "ssh_proxy_command": str(head.proxy)}
    chmod, make, install, path = config["setup_commands"]
    assert ("-m venv" in make, "pip install" in install) == (True, True)
    config["setup_commands"] = [chmod, f"ln -sfn {folder / 'venv'} ~/tmc_sweep_venv", path]
    ports = f"--dashboard-port={free_port()} --dashboard-agent-listen-port={free_port()} --dashboard-host"
    (start,) = config["head_start_ray_commands"]
    config["head_start_ray_commands"] = [start.replace("6379", str(port)).replace("--dashboard-host", ports)]
    file = folder / "onprem.yaml"
    YAML(typ="safe").dump(config, file)
    return file


def programs(folder: Path, marker: str) -> None:
    """What the head's venv has: ours, and a `ray` that stops nothing of others."""
    folder.mkdir(parents=True)
    (folder / "tmc-sweep").symlink_to(BIN / "tmc-sweep")
    (folder / "ray").write_text(RAY.format(ray=BIN / "ray", marker=marker))
    (folder / "ray").chmod(0o755)


@pytest.fixture(scope="module")
def laptop() -> Iterator[Laptop]:
    """A laptop whose cluster is up; at the end it is down, and nothing that it started is left."""
    with own_place() as place:
        ours, theirs = ({**place.environment, **temporary(place.temporary / who)} for who in ("laptop", "head"))
        folder = place.temporary / "laptop"
        with machine(place.temporary / "head", theirs) as head:
            programs(folder / "venv" / "bin", next(iter(place.environment)))
            environment = {**os.environ, **ours, "HOME": str(folder)}
            laptop = Laptop(folder, environment, cluster_file(head, folder))
            laptop.run("ray", "get-auth-token", "--generate")
            laptop.run("ray", "up", "-y", laptop.cluster)
            yield laptop
            laptop.run("ray", "down", "-y", laptop.cluster)
        assert [path.name for path in Path(theirs["TMPDIR"]).glob("tmc*")] == []


def temporary(folder: Path) -> dict[str, str]:
    """Where a machine's programs have their temporary files."""
    (folder / "tmp").mkdir(parents=True)
    return dict.fromkeys(("RAY_TMPDIR", "TMPDIR"), str(folder / "tmp"))


def assert_trained(results: Path, file: Path, epochs: int) -> None:
    """The first epochs are to the bit those of the same trials trained here, without Ray."""
    trials = parse(file.read_text(), file.name).trials()
    frame = table(results)
    alone = expected([trial.model_copy(update={"epochs": epochs}) for trial in trials], load_data("digits"))
    pd.testing.assert_frame_equal(outcomes(frame[frame["epoch"] <= epochs]), alone, check_exact=True)


def test_a_sweep_runs_there_and_its_tables_come_back(laptop: Laptop):
    ran = laptop.sweep("run", laptop.space("small", 3))
    assert ran.stderr.startswith("small is job tmc-sweep-small-1: follow it with `tmc-sweep logs small -f --cluster ")
    assert "1/1 iwae" in ran.stdout
    assert ran.stdout.count("test_objective, last 2 epochs") == 1
    assert len(table(laptop.results / "small")) == 3
    assert_trained(laptop.results / "small", laptop.space("small", 3), 3)
    status = laptop.run("tmc-sweep", "status", "small").stdout
    assert status.startswith("small: 1 trial (1 done), 3 of 3 epochs")
    assert laptop.sweep("status", "small").stdout.splitlines()[1:] == status.splitlines()[1:]


def test_it_goes_on_without_the_laptop_and_the_same_command_follows_it_again(laptop: Laptop):
    space = laptop.space("long", 100_000)
    first = laptop.start("tmc-sweep", "run", space, "--cluster", laptop.cluster)
    there = laptop.folder.parent / "head" / "home" / "tmc_sweep_results" / "long"
    wait_until(lambda: there.exists() and len(table(there)))
    vanish(first)
    seen = len(table(there))

    other = laptop.sweep("run", laptop.space("long", 5), code=75)
    assert "another search space" in other.stderr
    assert f"stop it with `tmc-sweep stop long --cluster {laptop.cluster}`" in other.stderr

    wait_until(lambda: laptop.sweep("pull", "long") and len(table(laptop.results / "long")) > seen)

    again = laptop.start("tmc-sweep", "run", space, "--cluster", laptop.cluster)
    assert again.stderr is not None
    assert again.stderr.readline().startswith("long runs already as job tmc-sweep-long-1:")
    laptop.sweep("stop", "long")
    again.communicate(timeout=HANGS_SECONDS)
    assert again.returncode == 143
    assert_trained(laptop.results / "long", space, 10)


def test_a_sweep_that_is_not_there(laptop: Laptop):
    assert "there is no 'nosuch'" in laptop.sweep("pull", "nosuch", code=2).stderr


def test_a_head_with_another_version_of_ours(laptop: Laptop, request: pytest.FixtureRequest):
    ours = laptop.folder / "venv" / "bin" / "tmc-sweep"
    request.addfinalizer(lambda: (ours.unlink(missing_ok=True), ours.symlink_to(BIN / "tmc-sweep")))
    ours.unlink()
    assert "but has no tmc-sweep: run `ray up " in laptop.sweep("status", code=3).stderr
    ours.write_text("#!/bin/sh\necho tmc-sweep 0.0.1")
    ours.chmod(0o755)
    assert "but has tmc-sweep 0.0.1: run `ray up " in laptop.sweep("status", code=3).stderr


def test_a_key_that_the_head_does_not_know(laptop: Laptop):
    stranger = laptop.folder / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    refused = laptop.with_cluster(ssh_private_key=str(stranger)).sweep("status", code=3)
    assert "must answer over SSH, but" in refused.stderr and "Permission denied (publickey)" in refused.stderr


def test_a_head_that_nobody_reaches(laptop: Laptop):
    closed = laptop.folder / "closed"
    closed.write_text("#!/bin/sh\nexit 1")
    closed.chmod(0o755)
    assert "must answer over SSH, but" in laptop.with_cluster(ssh_proxy_command=str(closed)).sweep("ls", code=3).stderr
