"""A machine to log in to: an sshd of our own on 127.0.0.1, whose sessions have a home and temporary files of their own.

Sessions are of this account, and of this place: what they start can be found there. Ray logs in to port 22, so its
connections go through a proxy command.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from wait import wait_until

_SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
_CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
SetEnv {environment}
"""
_PROXY = """#!/usr/bin/env bash
exec 3<> /dev/tcp/127.0.0.1/{port}
cat <&3 & cat >&3
kill $!
"""


@dataclass(frozen=True)
class Machine:
    """Where its sessions begin, and how to log in."""

    home: Path
    user: str
    key: Path
    proxy: Path
    sshd: subprocess.Popen[bytes]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def machine(folder: Path, environment: Mapping[str, str]) -> Iterator[Machine]:
    """The machine, with `environment` in its sessions; skips where a program for it is missing."""
    for name, found in {"sshd": _SSHD, **{name: shutil.which(name) for name in ("ssh", "ssh-keygen", "rsync")}}.items():
        if found is None:
            pytest.skip(f"needs {name}: apt-get install openssh-server rsync")
    home, port = folder / "home", free_port()
    home.mkdir(parents=True)
    for key in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    words = " ".join(f"{name}={value}" for name, value in {**environment, "HOME": str(home)}.items())
    config, proxy = folder / "sshd_config", folder / "proxy"
    config.write_text(_CONFIG.format(port=port, folder=folder, environment=words))
    proxy.write_text(_PROXY.format(port=port))
    proxy.chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where its unprivileged half lives, which packages make
    sshd = subprocess.Popen(
        [str(_SSHD), "-D", "-E", folder / "sshd.log", "-f", config], env={**os.environ, **environment}
    )
    try:
        _wait_for(port, sshd)
        yield Machine(home, getpass.getuser(), folder / "key", proxy, sshd)
    finally:
        sessions = Path(f"/proc/{sshd.pid}/task/{sshd.pid}/children").read_text().split()
        sshd.kill()
        sshd.wait()
        for session in sessions:  # which ssh keeps for some seconds
            with suppress(ProcessLookupError):
                os.kill(int(session), signal.SIGKILL)


def _wait_for(port: int, sshd: subprocess.Popen[bytes]) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listens, sshd)
    assert sshd.poll() is None
