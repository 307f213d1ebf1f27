"""What commands take before they answer: CPU and wall seconds, medians of rounds in which they take turns.

    TMC_SWEEP_DATA=/path/to/data python -m benchmarks.latency --rounds 5 --json

Each is a process of its own. `run` is the quickstart's, with a home and a Ray of its own, until its first epoch is on
disk; then it is stopped. `--checkout` measures other checkouts in the same turns, such as one of an earlier commit.
"""

import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, TypedDict

import pyarrow.parquet as pq

from benchmarks import command
from benchmarks.suite import ROOT

Name = Literal["help", "validate", "validate_digits", "plan", "summary", "status", "best", "run"]
COMMANDS: dict[str, str] = {
    "help": "--help",
    "validate": "validate search_spaces/grid.yaml",
    "validate_digits": "validate search_spaces/quickstart.yaml",
    "plan": "plan search_spaces/grid.yaml",
    "summary": "summary k1 --results results/article",
    "status": "status k1 --results results/article",
    "best": "best k1 --results results/article",
    "run": "run search_spaces/quickstart.yaml",
}
_POLL_SECONDS = 0.02


class Row(TypedDict):
    """One command of one checkout."""

    checkout: str
    command: str
    cpu_seconds: float  # of `run` those of all its processes
    wall_seconds: float


def rows(
    commands: Annotated[Sequence[Name], "which"] = ("help", "validate_digits", "plan", "summary", "run"),
    rounds: command.Rounds = 5,
    checkout: Annotated[Sequence[str], "folders of other checkouts"] = (),
) -> Iterator[Row]:
    """Each command in each checkout."""
    folders = [*map(Path, checkout), ROOT]
    for name in commands:
        measured: dict[Path, list[tuple[float, float]]] = {folder: [] for folder in folders}
        for _ in range(rounds + 1):  # the first warms up
            for folder in folders:
                measured[folder].append(_first_epoch(folder) if name == "run" else _whole(folder, name))
        for folder in folders:
            cpu, wall = (statistics.median(values) for values in zip(*measured[folder][1:], strict=True))
            yield {
                "checkout": str(folder) if folder != ROOT else "this",
                "command": COMMANDS[name],
                "cpu_seconds": cpu,
                "wall_seconds": wall,
            }


def _whole(folder: Path, name: str) -> tuple[float, float]:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = [sys.executable, "-m", "tmc_sweep", *COMMANDS[name].split()]
    subprocess.run(words, cwd=folder, env=_environment(folder), check=True, capture_output=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def _first_epoch(folder: Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="tmc-", ignore_cleanup_errors=True) as home:
        environment = {**_environment(folder), "HOME": home, "RAY_ADDRESS": "local"}
        words = [sys.executable, "-m", "tmc_sweep", *COMMANDS["run"].split(), "--results", home, "--quiet"]
        started = time.perf_counter()
        with subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:
            while not any(pq.read_metadata(part).num_rows for part in Path(home).glob("quickstart/part-*.parquet")):
                if process.poll() is not None:
                    raise SystemExit(f"the sweep must train, but ended with {process.returncode}")
                time.sleep(_POLL_SECONDS)
            wall, cpu = time.perf_counter() - started, sum(_cpu_seconds(home))
            process.send_signal(signal.SIGINT)
    return cpu, wall


def _cpu_seconds(home: str) -> Iterator[float]:
    """Of each process that has this home."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"HOME={home}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                user, system = (folder / "stat").read_text().rpartition(") ")[2].split()[11:13]
                yield (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder)}


main = command.of(rows)

if __name__ == "__main__":
    main()
