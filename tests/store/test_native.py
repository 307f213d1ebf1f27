"""Arrow's threads hold nothing of Python: a process that has just read a table ends as it should."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from command import TMC_SWEEP
from stored import store

import tmc_sweep
from tmc_sweep.paths import SweepPaths

ROOT = Path(tmc_sweep.__file__).parent
ENDING = Path(__file__).with_name("ending.py")
READING = ("status", "summary", "best", "report", "figures")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> SweepPaths:
    return store(tmp_path_factory.mktemp("results"))


def ended(paths: SweepPaths, what: str, milliseconds: int) -> int:
    command = [sys.executable, ENDING, paths.results, what, str(milliseconds)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_a_process_ends_well_while_a_thread_of_arrow_still_holds_what_was_read(stored: SweepPaths):
    """Were that an object of Python, it would not: the thread, asked to leave, would end the process with 134."""
    waits = (10, 1_000, 60_000)  # the thread must have asked for the interpreter before it ends
    wait = next((wait for wait in waits if ended(stored, "python", wait)), None)
    assert wait is not None
    assert ended(stored, "ours", wait) == 0


@pytest.mark.long
@pytest.mark.parametrize(("verb", "runs"), [("verify", 500), *((verb, 100) for verb in READING)])
def test_each_of_many_runs_ends_as_it_answered(stored: SweepPaths, verb: str, runs: int):
    command = [TMC_SWEEP, verb, "tiny", "--results", stored.results]
    ends = Counter(subprocess.run(command, capture_output=True, check=False).returncode for _ in range(runs))
    assert ends == {0: runs}


def test_parquet_is_opened_in_one_place_only():
    """Where it is given nothing but Arrow's own files and buffers."""
    using = {path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if "pyarrow.parquet" in _imports(path)}
    assert using == {"store/parquet.py"}


def _imports(path: Path) -> set[str]:
    return {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
