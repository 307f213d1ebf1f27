import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tmc_sweep.errors import StorageError, SweepBusyError
from tmc_sweep.store.lock import sweep_lock

HOLD = """
import subprocess, sys
from pathlib import Path
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.lock import sweep_lock
with sweep_lock(SweepPaths(Path(sys.argv[1]), "grid")):
    child = subprocess.Popen(["sleep", "infinity"], close_fds=False)
    print(child.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(paths):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(paths.results)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        child = int(process.stdout.readline())
        yield process
        process.kill()
        os.kill(child, signal.SIGKILL)


def test_another_process_holds_the_sweep(paths, holder):
    said = rf"^another run holds sweep 'grid': pid {holder.pid} on \S+ since \S+\+00:00: wait for it or stop it$"
    with pytest.raises(SweepBusyError, match=said), sweep_lock(paths):
        pass


def test_kill_9_leaves_no_stale_lock_though_a_child_lives_on(paths, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with sweep_lock(paths):
        assert f"pid {os.getpid()} on" in paths.lock.read_text()


RACE = """
import sys
from pathlib import Path
from tmc_sweep.errors import StorageError, SweepBusyError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.lock import sweep_lock
print(flush=True)
sys.stdin.readline()
try:
    with sweep_lock(SweepPaths(Path(sys.argv[1]), "grid")):
        print("won", flush=True)
        sys.stdin.readline()
except SweepBusyError as error:
    print(error, flush=True)
"""


def test_of_processes_that_start_at_once_exactly_one_wins_and_the_others_name_it(paths):
    command = [sys.executable, "-c", RACE, str(paths.results)]
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(6)
        ]
        for racer in racers:
            racer.stdout.readline()
        for racer in racers:
            racer.stdin.write("\n")
        said = {racer.pid: racer.stdout.readline().strip() for racer in racers}
        for racer in racers:
            racer.kill()
    (winner,) = (pid for pid, line in said.items() if line == "won")
    del said[winner]
    assert all(line.startswith("another run holds sweep 'grid': ") for line in said.values())


def test_the_lock_can_be_had_again_after_release_and_after_an_error(paths):
    with pytest.raises(ZeroDivisionError), sweep_lock(paths):
        _ = 1 / 0
    with sweep_lock(paths), pytest.raises(SweepBusyError), sweep_lock(paths):
        pass
    with sweep_lock(paths):
        pass


def test_the_holder_clears_what_a_killed_writer_left(paths):
    with sweep_lock(paths):
        (paths.temporary / "part.1").write_text("half")
        (paths.temporary / "grid.2").mkdir()
        (paths.temporary / "grid.2" / "part").write_text("half")
    with sweep_lock(paths):
        assert list(paths.temporary.iterdir()) == []


def test_a_busy_sweep_is_not_cleared(paths):
    with sweep_lock(paths):
        (paths.temporary / "part.1").write_text("being written")
        with pytest.raises(SweepBusyError), sweep_lock(paths):
            pass
        assert (paths.temporary / "part.1").exists()


@pytest.mark.parametrize("taken", [False, True], ids=["removed", "another run's"])
def test_a_lock_that_is_no_longer_there_is_no_lock(paths, taken: bool):
    with sweep_lock(paths) as check_held:
        check_held()
        paths.lock.unlink()
        if taken:
            paths.lock.touch()
        with pytest.raises(StorageError, match=str(paths.lock)):
            check_held()
    with sweep_lock(paths) as check_held:
        check_held()
