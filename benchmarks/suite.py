"""All benchmarks: what each shows, its command, and options under which it runs in seconds and shows nothing."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import ENVIRONMENT

ROOT = Path(__file__).parents[1]

Measured = Mapping[str, Any]  # command, date, seconds and rows of one benchmark
Rows = list[dict[str, Any]]

KEEP_FREED_MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=4294967296"}


@dataclass(frozen=True)
class Benchmark:
    """One table of docs/performance.md."""

    name: str
    command: str  # after `python -m`
    quick: str  # further options, to see that it runs
    title: str
    about: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The command for a shell."""
        return " ".join([*(f"{name}={value}" for name, value in self.environment.items()), "python -m", self.command])

    def run(self, *, quick: bool = False) -> Measured:
        """Measure in a process of its own."""
        arguments = shlex.split(f"{self.command} {self.quick if quick else ''} --json")
        started = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**ENVIRONMENT, **self.environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        if ended.returncode:
            raise SystemExit(f"python -m {' '.join(arguments)} must end well, but ended with {ended.returncode}")
        return {
            "command": self.shown,
            "date": datetime.now(UTC).date().isoformat(),
            "seconds": round(time.perf_counter() - started, 1),
            "rows": json.loads(ended.stdout)["rows"],
        }


SUITE = (
    Benchmark(
        "step",
        "benchmarks.step",
        "--architecture small --K 5 --rounds 1",
        "One training step, against the article's form",
        "The bound, its gradient and Adam, batch 128, against a plain reference written as the article's published "
        "code is: K copies of x, each encoder layer run twice, torch.distributions, K×K×d blocks. Same weights and, to "
        "1e-4, the same losses. Peak is live tensor bytes above parameters and optimiser.",
    ),
    Benchmark(
        "step_encoding_once",
        "benchmarks.step --encoder-passes 1 --K 20",
        "--architecture small --objective iwae --K 5 --rounds 1",
        "The same, against a reference that encodes once",
        "A kinder reference: it scores with the conditionals it has sampled from.",
    ),
    Benchmark(
        "step_kept_memory",
        "benchmarks.step --objective tmc --K 50",
        "--architecture small --K 5 --rounds 1",
        "The same, where freed memory is kept",
        "By default glibc returns freed blocks above 32 MiB to the system, which then clears their pages anew: at K = "
        "50 most of the reference's time. Told to keep them, it is faster, and the ratio is that of the arithmetic.",
        KEEP_FREED_MEMORY,
    ),
    Benchmark(
        "evaluation",
        "benchmarks.evaluation",
        "--K 5 --rounds 1",
        "Evaluating three bounds",
        "ELBO, IWAE and TMC of a batch of 128: our one pass against the reference's pass for each.",
    ),
    Benchmark(
        "pyro",
        "benchmarks.pyro",
        "--K 2 --rounds 1",
        "One training step, against Pyro's TraceTMC_ELBO",
        "TMC with the factorised proposal, where Pyro's bound is the same as ours; the losses agree on Pyro's samples.",
    ),
    Benchmark(
        "pack",
        "benchmarks.pack",
        "--data digits --K 2 --members 1 2 --rounds 1",
        "Packs of trials",
        "One step of trials trained together, small model, TMC; ratio is to one trial alone.",
    ),
    Benchmark(
        "engine",
        "benchmarks.engine",
        "--latents 4 --objective iwae --K 2 --rounds 1",
        "Eager and compiled",
        "One step under either engine, wall time, and how long the compiled one takes to get going.",
    ),
    Benchmark("k", "benchmarks.k", "--K 2 3 --rounds 1", "Growth with K", "One step of the small model."),
    Benchmark(
        "layers",
        "benchmarks.layers",
        "--latents 1 2 --width 8 --K 2 --rounds 1",
        "Growth with the number of latents",
        "One step of TMC with latents of width 32, K = 20.",
    ),
    Benchmark(
        "data",
        "benchmarks.data",
        "--images 512 --rounds 1",
        "The data path",
        "Handing out 60 000 images of MNIST's shape once, in random order, in batches of 128, scaled to [0, 1].",
    ),
    Benchmark(
        "commit",
        "benchmarks.commit",
        "--epochs 3 --rounds 1",
        "A group commit",
        "A full part of 64 trials encoded, written aside, flushed and renamed, because one trial has a new epoch.",
    ),
    Benchmark(
        "tables",
        "benchmarks.tables",
        "--trials 65 --epochs 3",
        "A large table",
        "Written through the store, read whole by `pd.read_parquet`, summarised; beside it one file a trial.",
    ),
    Benchmark(
        "sweep",
        "benchmarks.sweep",
        "--trials 2 --epochs 1",
        "What a sweep costs over its training",
        "`tmc-sweep run` on the digits, small model, TMC, K = 5: wall time against the sum of all epochs' seconds over "
        "the slots.",
    ),
    Benchmark(
        "plan",
        "benchmarks.plan",
        "--sweeps digits --epochs 2",
        "What a plan says, and what it took",
        "`tmc-sweep plan` before `tmc-sweep run`: from a few steps (`--probe`), then from a fifth of the epochs. The "
        "plan is of training; the command also starts and stops Ray. `off_percent` is of what training took.",
    ),
    Benchmark(
        "driver",
        "benchmarks.driver",
        "--sweeps 2x1 --pending",
        "What the driver costs",
        "The process of `tmc-sweep run`: time to the first durable epoch, the share of wall time in which it writes, "
        "its CPU and memory. The last two are stopped after their first epoch: what 400 more pending trials cost.",
    ),
    Benchmark(
        "writer",
        "benchmarks.writer",
        "--trials 2 --epochs 1 --checkpoints 1 --rounds 1",
        "What the one writer can take",
        "Without Ray: every trial reports an epoch, one delivery makes all of them durable; the last also have a "
        "checkpoint each, of the small model on MNIST.",
    ),
    Benchmark(
        "scale",
        "benchmarks.scale",
        "--sweeps 2x2",
        "What scheduling costs",
        "`tmc-sweep run` on a running cluster of three simulated nodes with one slot each, epochs of milliseconds: "
        "wall time beyond training, over packs. The driver's CPU and memory are its process's own.",
    ),
    Benchmark(
        "search",
        "benchmarks.studies.search",
        "--searches 1 --cells 2 --epochs 2",
        "TPE against random search",
        "The best of 40 cells × 2 seeds over K, learning rate, width and weight normalisation: how far it is below the "
        "best of all after 10, 20 and 40 cells. [search.md](search.md) says more.",
    ),
    Benchmark(
        "search_stopping",
        "benchmarks.studies.search_stopping",
        "--K 2 --lr 1e-2 --epochs 2 --seeds 0 --orders 2 --grace-epochs 1",
        "Stopping cells early",
        "A grid of 40 cells × 2 seeds on digits by `tmc-sweep run`, in full and with either scheduler; and the "
        "schedulers replayed from the grid's epochs, with its cells in random orders; so too for other seeds.",
    ),
    Benchmark(
        "roofline",
        "benchmarks.roofline",
        "--architecture small --K 2 --size 256 --rounds 1",
        "Against the matmul peak",
        "FLOPs of a step's matrix products over its time, and over the best float32 product of one thread here.",
    ),
)
