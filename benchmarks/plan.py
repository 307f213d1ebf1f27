"""Whether a plan says how long a run takes: `tmc-sweep plan` before it, against the command's wall time.

    python -m benchmarks.plan --json

Each sweep is planned from a few steps (`--probe`), trained for a fifth of its epochs, planned again from those, and
trained to its end. The command's time has Ray's start and stop in it, which the plan leaves out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from benchmarks import command
from tmc_sweep.store.read import read_epochs, read_trials

SWEEPS = {
    "digits": """\
base: {data: digits}
space:
  objective: {grid_search: [iwae, tmc]}
  K: {grid_search: [5, 20]}
  architecture: {grid_search: [{latents: [16, 8]}, small]}
seeds: 2
""",
    "mnist": """\
base: {data: mnist, architecture: small, train_images: 5000, test_images: 1000}
space:
  objective: {grid_search: [iwae, tmc]}
  K: {grid_search: [5, 20]}
""",
}
EPOCHS = {"digits": 60, "mnist": 20}
FIRST = 5  # one in so many epochs is trained before the second plan


class Row(TypedDict):
    """One plan, and the run after it."""

    sweep: str
    epochs: int  # of each trial in this run
    planned_from: str
    planned_seconds: float
    low: float | None
    high: float | None
    trained_seconds: float  # from the first pack's start to the last row
    wall_seconds: float  # of the command
    off_percent: float  # the plan from the training, of the latter
    off_command_percent: float  # and from the command


def rows(
    sweeps: Annotated[Sequence[Literal["digits", "mnist"]], "data sets that are swept"] = ("digits", "mnist"),
    epochs: Annotated[int, "of each trial (default: 60 of the digits, 20 of MNIST)"] = 0,
) -> Iterator[Row]:
    """Two plans of each sweep."""
    return (row for name in sweeps for row in measure(name, epochs or EPOCHS[name]))


def measure(name: str, epochs: int) -> list[Row]:
    """Two plans and two runs of one sweep, in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="tmc-benchmark-") as folder:
        file = Path(folder) / f"{name}.yaml"
        file.write_text(f"version: 1\nname: {name}\n{SWEEPS[name]}")
        first = max(1, epochs // FIRST)
        return [
            _planned(file, first, first, "a few steps", "--probe"),
            _planned(file, epochs, epochs - first, "epochs on record"),
        ]


def _planned(file: Path, until: int, epochs: int, planned_from: str, *options: str) -> Row:
    asked = [str(file), "--results", str(file.parent), "--set", f"epochs={until}"]
    planned = json.loads(_tmc_sweep("plan", *asked, *options, "--json"))["time"]["wall_seconds"]
    clock = time.perf_counter()
    _tmc_sweep("run", *asked, "--quiet")
    wall_seconds = time.perf_counter() - clock
    table = file.parent / file.stem
    trained_seconds = (read_epochs(table)["time"].max() - read_trials(table)["started"].min()).total_seconds()
    return {
        "sweep": file.stem,
        "epochs": epochs,
        "planned_from": planned_from,
        "planned_seconds": planned["about"],
        "low": planned["low"],
        "high": planned["high"],
        "trained_seconds": trained_seconds,
        "wall_seconds": wall_seconds,
        "off_percent": _off(planned["about"], trained_seconds),
        "off_command_percent": _off(planned["about"], wall_seconds),
    }


def _off(planned: float, took: float) -> float:
    return 100 * abs(planned / took - 1)


def _tmc_sweep(*arguments: str) -> str:
    """What the command prints, run with a home of its own and a Ray of its own; SystemExit unless it ends well."""
    folder = arguments[arguments.index("--results") + 1]
    environment: dict[str, Any] = {**os.environ, "HOME": folder, "RAY_ADDRESS": "local"}
    program = Path(sys.executable).with_name("tmc-sweep")
    ended = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{arguments[0]} must end well, but ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout


main = command.of(rows)

if __name__ == "__main__":
    main()
