"""What scheduling costs: `tmc-sweep run` with hundreds of packs queued on a running cluster of three simulated nodes.

    python -m benchmarks.scale --sweeps 500x1 --json

Sweeps (trials × trials a pack) of epochs that take milliseconds, so that nearly all the time is Ray's and ours. Each
node is a Ray of its own on this machine, with one slot. With fewer cores than slots the processes that train share them
with the driver and with all of Ray.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypedDict

from ray.cluster_utils import Cluster

from benchmarks import command
from tmc_sweep import read_epochs

SEARCH_SPACE = """\
version: 1
name: scale
base: {{objective: iwae, architecture: {{latents: [12, 4]}}, train_images: 100, test_images: 40, K: 2, epochs: 2}}
seeds: {trials}
resources: {{cpu: 1, gpu: 0, pack: {pack}}}
"""
NODES = 3


class Row(TypedDict):
    """One sweep."""

    trials: int
    packs: int
    wall_seconds: float
    training_seconds: float  # of all packs, over slots
    seconds_per_pack: float  # of wall time beyond training
    first_epoch_seconds: float  # from the command's start until the first epoch of all had ended
    rows_per_second: float
    driver_cpu_seconds: float
    driver_mib: float  # most resident memory


def rows(sweeps: Annotated[Sequence[str], "trials x trials a pack"] = ("500x1",)) -> Iterator[Row]:
    """Each sweep, on a cluster of its own."""
    for trials, pack in (map(int, size.split("x")) for size in sweeps):
        with tempfile.TemporaryDirectory(prefix="tmc-", dir="/tmp") as folder, simulated_nodes(Path(folder)) as address:
            yield measure(trials, pack, address, Path(folder))


@contextmanager
def simulated_nodes(folder: Path) -> Iterator[str]:
    """The address of a cluster of NODES nodes with a slot each."""
    os.environ |= {"HOME": str(folder), "RAY_TMPDIR": str(folder)}
    (folder / "ray").mkdir()
    node: dict[str, Any] = {
        "num_cpus": 1,
        "num_gpus": 0,
        "include_dashboard": False,
        "object_store_memory": 150 * 2**20,
    }
    cluster = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": str(folder)})
    try:
        for _ in range(NODES - 1):
            cluster.add_node(**node)
        yield cluster.address
    finally:
        cluster.shutdown()


def measure(trials: int, pack: int, address: str, folder: Path) -> Row:
    """One sweep, by a command of its own."""
    file = folder / "scale.yaml"
    file.write_text(SEARCH_SPACE.format(trials=trials, pack=pack))
    started, clock = datetime.now(UTC), time.perf_counter()
    usage = _run(file, folder, address)
    wall_seconds = time.perf_counter() - clock
    table = read_epochs(folder / "scale")
    if len(table) != 2 * trials:
        raise SystemExit(f"the sweep must have {2 * trials} epochs, but has {len(table)}")
    training_seconds = float(table["epoch_seconds"].sum()) / pack / NODES
    packs = -(-trials // pack)
    return {
        "trials": trials,
        "packs": packs,
        "wall_seconds": wall_seconds,
        "training_seconds": training_seconds,
        "seconds_per_pack": (wall_seconds - training_seconds) / packs,
        "first_epoch_seconds": (table["time"].min() - started).total_seconds(),
        "rows_per_second": len(table) / wall_seconds,
        "driver_cpu_seconds": usage.ru_utime + usage.ru_stime,
        "driver_mib": usage.ru_maxrss / 2**10,
    }


def _run(file: Path, results: Path, address: str) -> resource.struct_rusage:
    """What the command took, its own process alone: Ray's are not its children."""
    tmc_sweep = Path(sys.executable).with_name("tmc-sweep")
    environment = {**os.environ, "RAY_ADDRESS": address}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [tmc_sweep, "run", file, "--results", results, "--quiet"], env=environment, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"the sweep must end well, but ended with {process.returncode}: {said.read().decode()}")
    return usage


main = command.of(rows)

if __name__ == "__main__":
    main()
