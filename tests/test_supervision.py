"""Who waits for a run: it ends as the run does, passes signals on once, and tells what Ray leaves untold."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from wait import HANGS_SECONDS, wait_until

BEGIN = "import atexit, os, signal, sys, time; from tmc_sweep.supervision import supervised; supervised(); "
COUNTING = """
heard = []
def hear(*_):
    heard.append(1)
    print("heard", flush=True)
signal.signal(signal.SIGINT, hear)
signal.signal(signal.SIGTERM, hear)
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(100 + len(heard)))
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


def start(then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + then],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("then", "code"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(1)", 1),
        ("sys.exit(75)", 75),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_it_ends_as_the_run_does(then: str, code: int):
    with start(then) as waiting:
        _, err = waiting.communicate()
    assert (waiting.returncode, err) == (code, "")


def test_an_end_with_1_and_no_word_is_ray_s():
    with start("os._exit(1)") as waiting:
        _, err = waiting.communicate()
    assert waiting.returncode == 3
    assert err == (
        "tmc-sweep: a sweep's Ray cluster must stay until its end, but Ray ended the sweep's process, as it does when "
        "this machine's raylet is gone: run the same command to resume\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_signal_to_it_or_to_its_group_reaches_the_run_once(number: int, send: Callable[[int, int], None]):
    with start(COUNTING) as waiting:
        run = int(waiting.stdout.readline())
        send(waiting.pid, number)
        assert waiting.stdout.readline() == "heard\n"
        os.kill(run, signal.SIGUSR1)
        waiting.communicate()
    assert waiting.returncode == 101


def test_a_run_does_not_outlive_it():
    with start("print(os.getpid(), flush=True); signal.pause()") as waiting:
        run = os.pidfd_open(int(waiting.stdout.readline()))
        waiting.kill()
        assert select.select([run], [], [], HANGS_SECONDS)[0] == [run]
        os.close(run)


def test_it_stops_and_goes_on_with_the_run():
    with start("print(os.getpid(), flush=True); signal.pause()") as waiting:
        run = int(waiting.stdout.readline())
        os.kill(waiting.pid, signal.SIGTSTP)
        assert os.waitid(os.P_PID, waiting.pid, os.WSTOPPED).si_status == signal.SIGSTOP
        wait_until(lambda: state(run) == "T", waiting)
        os.kill(waiting.pid, signal.SIGCONT)
        os.kill(waiting.pid, signal.SIGTERM)
        waiting.communicate()
    assert waiting.returncode == -signal.SIGTERM


def state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
