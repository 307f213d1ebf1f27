"""Kernel calls of the real writer fail, or are its last: nothing acknowledged is lost, and the next run goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from story import EXPECTED, Rows, violations

from tmc_sweep.paths import SweepPaths

STRACE = shutil.which("strace")
CALLS = "?rename,?renameat,renameat2,fsync,fdatasync"
pytestmark = [pytest.mark.cluster, pytest.mark.skipif(STRACE is None, reason="needs strace")]


class Writer:
    """Runs the story in folders, in a new process each time."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(self, results: Path, fault: str | None, acknowledged: Rows) -> tuple[int, bool]:
        """How the process ended, and whether the fault happened; adds what it acknowledged."""
        (pid,) = self._ask(str(results))
        command = [STRACE, "-f", "-p", str(pid), "-e", f"trace={CALLS}", *(["-e", f"inject={fault}"] if fault else [])]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            attached = strace.stderr.readline()
            if "attached" not in attached:
                pytest.skip(f"strace may not attach here: {attached}")
            told = self._ask("go")
            while told[0] != "ended":
                trial_id, epoch, value = told
                acknowledged[trial_id, epoch] = value
                told = self._answer()
            trace = strace.stderr.read()
        return told[1], "INJECTED" in trace or "killed by" in trace

    def _ask(self, line: str) -> list:
        self._server.stdin.write(f"{line}\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> list:
        return json.loads(self._server.stdout.readline())


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    command = [sys.executable, Path(__file__).with_name("writer.py")]
    path = {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **path}
    ) as server:
        yield Writer(server)
        server.stdin.close()


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("?rename,?renameat,renameat2:signal=KILL:when={}", {-signal.SIGKILL}),
        ("fsync:signal=KILL:when={}", {-signal.SIGKILL}),
        ("fsync:error=EIO:when={}", {0, 4}),
        ("fsync:error=EIO:when={}+", {4}),
    ],
)
def test_a_call_that_fails_or_is_the_last_loses_nothing_wherever_it_is(
    writer: Writer, tmp_path: Path, fault: str, codes: set[int], every: int
):
    found: list[str] = []
    for call in count(1, every):
        paths, acknowledged = SweepPaths(tmp_path / str(call), "tiny"), Rows()
        code, happened = writer.run(paths.results, fault.format(call), acknowledged)
        assert code in (codes if happened else {0}), call
        found += [f"{call}: {violation}" for violation in violations(paths, acknowledged)]
        if not happened:
            break
        assert writer.run(paths.results, None, acknowledged)[0] == 0, call
        found += [f"{call}, then: {violation}" for violation in violations(paths, EXPECTED)]
    sys.stdout.write(f"{fault}: every {every} of at most {call - 1} calls\n")
    assert found == []
    assert call > 20
