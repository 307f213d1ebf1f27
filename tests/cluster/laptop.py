"""A laptop and the head that it logs in to over SSH, both here: each has a home and temporary files of its own.

The cluster file is a shipped one but for the host, the account, the key, the ports, and the setup: nothing is
installed, the running interpreter's programs are linked to. Its `ray` is a wrapper: `ray down` runs `ray stop` on the
head, which ends every Ray of the machine, so there `stop` ends this head's processes alone.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from command import driver
from place import own_place
from ruamel.yaml import YAML
from wait import HANGS_SECONDS

from tests.cluster.files import load
from tests.cluster.sshd import Machine, free_port, machine

Change = Callable[[dict[str, Any], Path], dict[str, Any]]

BIN = Path(sys.executable).parent
RAY = """#!/usr/bin/env bash
[ "$1" = stop ] || exec {ray} "$@"
for process in /proc/[0-9]*; do
  if grep -qs {marker} $process/environ && grep -qsE '/ray/|ray::|ray-dashboard|ray\\.util' $process/cmdline; then
    kill -9 "${{process#/proc/}}"
  fi
done
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


def reached(config: dict[str, Any], head: Machine, folder: Path) -> dict[str, Any]:
    """A shipped cluster file's content with this head instead, whose venv lies in `folder`."""
    port = free_port()
    ports = f"--port={port} --dashboard-port={free_port()} --dashboard-agent-listen-port={free_port()}"
    *first, start = config["head_start_ray_commands"]
    ours = {
        "cluster_name": f"tmc-test-{port}",  # also names a connection that ssh keeps for some seconds
        "provider": {"type": "local", "head_ip": "127.0.0.1", "worker_ips": []},
        "auth": {"ssh_user": head.user, "ssh_private_key": str(head.key), "ssh_proxy_command": str(head.proxy)},
        "setup_commands": [
            "chmod 600 ~/.ray/auth_token && mkdir -p ~/tmc_sweep_results",
            f"ln -sfn {folder / 'venv'} ~/tmc_sweep_venv",
            "echo 'export PATH=~/tmc_sweep_venv/bin:$PATH TMC_SWEEP_RESULTS=~/tmc_sweep_results' >> ~/.bashrc",
        ],
        "head_start_ray_commands": [*first, start.replace("--port=6379", ports).replace("port=6379 ", f"port={port} ")],
    }
    return {**config, **ours}


def _programs(folder: Path, marker: str) -> None:
    """What the head's venv has: ours, and a `ray` that stops nothing of others."""
    folder.mkdir(parents=True)
    (folder / "tmc-sweep").symlink_to(BIN / "tmc-sweep")
    (folder / "ray").write_text(RAY.format(ray=BIN / "ray", marker=marker))
    (folder / "ray").chmod(0o755)


@contextmanager
def laptop_of(name: str, change: Change = lambda config, folder: config, **environment: str) -> Iterator[Laptop]:
    """A laptop whose cluster, of the shipped file of this name, is up; afterwards it is down, and nothing is left.

    `change` has the last word on the file's content; `environment` is the head's.
    """
    with own_place() as place:
        ours, theirs = ({**place.environment, **_temporary(place.temporary / who)} for who in ("laptop", "head"))
        folder = place.temporary / "laptop"
        with machine(place.temporary / "head", {**theirs, **environment}) as head:
            _programs(folder / "venv" / "bin", next(iter(place.environment)))
            file = folder / name
            YAML(typ="safe").dump(change(reached(load(name), head, folder), folder), file)
            laptop = Laptop(folder, {**os.environ, **ours, "HOME": str(folder)}, file)
            laptop.run("ray", "get-auth-token", "--generate")
            laptop.run("ray", "up", "-y", laptop.cluster)
            yield laptop
            laptop.run("ray", "down", "-y", laptop.cluster)
        assert [path.name for path in Path(theirs["TMPDIR"]).glob("tmc*")] == []


def _temporary(folder: Path) -> dict[str, str]:
    """Where a machine's programs have their temporary files."""
    (folder / "tmp").mkdir(parents=True)
    return dict.fromkeys(("RAY_TMPDIR", "TMPDIR"), str(folder / "tmp"))
