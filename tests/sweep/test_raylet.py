"""The end of the raylet is the end of the run: at once, in a sentence, with code 3."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pandas as pd
import pytest
import ray
from command import start
from place import Place
from twin import n_rows
from wait import HANGS_SECONDS, wait_until

from tmc_sweep.errors import CannotRunError
from tmc_sweep.sweep import raylet

STAND_IN = """import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print(flush=True)
input()"""
YAML = """name: long
base: {data: digits, objective: iwae, architecture: {latents: [12, 4]}, batch_size: 8, K: 5, epochs: 2000}
"""
SENTENCE = (
    "tmc-sweep: a sweep's Ray cluster must stay until its end, but the Ray process of this machine, its raylet, has "
    "ended: run the same command to resume"
)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A process that listens where the raylet would."""
    path = os.path.relpath(tmp_path / "raylet")  # short
    words = [sys.executable, "-c", STAND_IN, path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": "us", "RayletSocketName": path}])
        monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "us"))
        yield process
        process.kill()


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why the process would have ended, in place of its end."""
    said: list[str] = []
    monkeypatch.setattr(raylet, "leave", lambda error: said.append(str(error)))
    return said


def watches() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tmc-sweep-raylet"]


def test_its_end_is_known_at_once(stand_in: subprocess.Popen[str], left: list[str]):
    with raylet.watched():
        (watch,) = watches()
        stand_in.kill()
        watch.join(HANGS_SECONDS)
    assert [f"tmc-sweep: {why}" for why in left] == [SENTENCE]


def test_after_the_sweep_it_may_end(stand_in: subprocess.Popen[str], left: list[str]):
    with raylet.watched():
        pass
    assert watches() == []
    stand_in.kill()
    assert left == []


def test_one_that_is_gone_before_it_is_watched(stand_in: subprocess.Popen[str]):
    stand_in.kill()
    stand_in.wait()
    with pytest.raises(CannotRunError, match="its raylet, has ended"), raylet.watched():
        pytest.fail("it was watched")


@pytest.mark.long
def test_a_run_whose_raylet_is_killed_ends_with_3_and_the_sentence_and_goes_on_later(tmp_path: Path):
    (tmp_path / "long.yaml").write_text(YAML)
    table = tmp_path / "results" / "long"
    for _ in range(8):
        with TemporaryDirectory(prefix="t-", dir="/tmp", ignore_cleanup_errors=True) as folder:
            place = Place(Path(folder))
            words = ("run", tmp_path / "long.yaml", "--results", tmp_path / "results")
            with start(*words, **place.environment) as process:
                wait_until(place.trainers, process)
                before = n_rows(table)
                wait_until(lambda before=before: n_rows(table) > before, process)
                (killed,) = place.processes("/raylet/raylet ")
                shown = n_rows(table)
                os.kill(killed, signal.SIGKILL)
                _, err = process.communicate(timeout=HANGS_SECONDS)
            place.kill()
        assert process.returncode == 3
        assert err.splitlines()[-1].startswith(SENTENCE.partition(", but ")[0])  # as the watch has it, or who waits
        assert n_rows(table) >= shown
    frame = pd.read_parquet(table)
    assert frame["epoch"].tolist() == list(range(1, len(frame) + 1))
