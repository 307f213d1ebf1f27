"""What another user left in a folder that is open to all, or answers at a port of this machine, is not believed."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tmc_sweep.cluster import server
from tmc_sweep.cluster.server import find_server
from tmc_sweep.errors import CannotRunError
from tmc_sweep.sweep import trust
from tmc_sweep.sweep.address import running_here
from tmc_sweep.sweep.autoscaler import Autoscaler

ANOTHER = 65534
IS_ROOT = os.getuid() == 0
BECOME = f"import os, socket; os.setuid({ANOTHER if IS_ROOT else os.getuid()}); "
LISTEN = f"{BECOME} s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"


def of_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file be another user's: root can give it away; who is not root becomes another."""
    if IS_ROOT:
        os.chown(path, ANOTHER, ANOTHER)
    else:
        monkeypatch.setattr(os, "getuid", lambda: ANOTHER)


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Ray's note, in a folder that is open to all, of a server that is there."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    path = tmp_path / "ray" / "ray_current_cluster"
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as there:
        path.write_text(f"127.0.0.1:{there.getsockname()[1]}\n")
        path.chmod(0o644)
        yield path


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "plant",
    [
        of_another,
        lambda note, _: note.chmod(0o664),
        lambda note, _: note.chmod(0o646),
        lambda note, _: linked(note),
        lambda note, _: os.link(note, note.with_name("mine")),
        lambda note, _: piped(note),
        lambda note, _: (note.unlink(), note.mkdir()),
    ],
    ids=["of another", "writable by its group", "writable by all", "link", "hard link", "pipe", "folder"],
)
def test_only_a_note_that_nobody_else_can_have_written_is_believed(note: Path, monkeypatch, plant: Callable):
    assert running_here() == note.read_text().strip()
    plant(note, monkeypatch)
    assert running_here() is None


def test_who_lets_others_write_the_note_is_told(note: Path, caplog: pytest.LogCaptureFixture):
    note.chmod(0o664)
    assert running_here() is None
    assert [message.split(": ")[1] for message in caplog.messages] == ["run `chmod go-w` on it, or set RAY_ADDRESS"]


@pytest.fixture
def of_anothers(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`host:port` where another user listens."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        port = process.stdout.readline().strip()
        if not IS_ROOT:
            monkeypatch.setattr(os, "getuid", lambda: ANOTHER)
        yield f"127.0.0.1:{port}"
        process.communicate("\n")


def test_an_old_note_leads_to_no_other_user_who_took_the_port(note: Path, of_anothers: str):
    note.write_text(of_anothers)
    assert trust.own_text(note) == (of_anothers if IS_ROOT else "")
    assert running_here() is None


def test_the_usual_port_of_a_job_server_gets_no_token_if_another_user_has_it(
    tmp_path: Path, of_anothers: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(server, "_HERE", f"http://{of_anothers}")
    monkeypatch.setattr(server, "job_client", lambda *_: pytest.fail("it was asked"))
    with pytest.raises(CannotRunError, match=r"but another user listens at http://.*: set RAY_ADDRESS to"):
        find_server()
    monkeypatch.setattr(server, "job_client", lambda url, _: SimpleNamespace(url=url))
    monkeypatch.setattr(server, "_check_version", lambda _: None)
    monkeypatch.setenv("RAY_ADDRESS", "http://mine:8265")
    assert find_server().url == "http://mine:8265"


def test_another_users_autoscaler_is_not_asked_what_there_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "cluster.yaml"
    file.write_text("{max_workers: 1, head_node_type: h, available_node_types: {h: {resources: {CPU: 9}}}}")
    options = ["--gcs-address=127.0.0.1:54321", f"--autoscaling-config={file}"]
    for become, known in (("", 1), (BECOME, 0)):
        words = [sys.executable, "-c", f"{become}print(flush=True); input()", *options]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            if become and not IS_ROOT:
                monkeypatch.setattr(os, "getuid", lambda: ANOTHER)
            assert len(Autoscaler.here("54321").types) == known
            process.communicate("\n")
