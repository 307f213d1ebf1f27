"""Where the parts measure: a GPU, or a processor in its place, with which all but the figures can be tried."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from benchmarks.workload import configuration, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Engine
from tmc_sweep.sweep.memory import free_memory
from tmc_sweep.text import last_line
from tmc_sweep.training import Pack

Row = dict[str, Any]
ENGINES: tuple[Engine, ...] = get_args(Engine)
COMPILED: Engine = "compiled"


@dataclass(frozen=True)
class Case:
    """One pack: members that differ in their seed."""

    architecture: str | tuple[int, ...] = "small"  # or the latents' widths
    objective: str = "tmc"
    K: int = 20
    members: int = 1
    engine: Engine = "eager"

    @property
    def config(self) -> TrialConfig:
        """Of its first member, on MNIST's shapes."""
        named = isinstance(self.architecture, str)
        architecture = self.architecture if named else {"latents": list(self.architecture)}
        return configuration(architecture=architecture, objective=self.objective, K=self.K)

    @property
    def row(self) -> Row:
        """The columns that name it."""
        return {
            "architecture": self.config.architecture.name,
            "objective": self.objective,
            "K": self.K,
            "members": self.members,
            "engine": self.engine,
        }


@dataclass(frozen=True)
class Setting:
    """One device, and the folder with MNIST, if there is one."""

    device: str  # cuda, or cpu in its place
    data: Path | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether what is measured is of a GPU."""
        return self.device == "cuda"

    @property
    def threads(self) -> int:
        """Of a process: a GPU's host compiles with as many processes."""
        return max(1, (os.cpu_count() or 1) // 2) if self.on_gpu else 1

    @property
    def k(self) -> int:
        """Samples per latent: the article's, and on a processor what leaves time for all parts."""
        return 20 if self.on_gpu else 2

    @property
    def compiled_in_time(self) -> str | tuple[int, ...]:
        """An architecture that is compiled in its part's time: on a processor one latent."""
        return "small" if self.on_gpu else (4,)

    @property
    def quick_engines(self) -> list[Engine]:
        """Those that start at once."""
        return [engine for engine in ENGINES if engine != COMPILED]

    def pack(self, case: Case, batches: int) -> Pack:
        """The case's pack on random images; its epoch is so many batches of 128, and no evaluation."""
        images = random_images(case.config, case.config.batch_size * batches)
        return training(case.config, images, case.members, self.device, case.engine)

    def seconds(self, work: Callable[[], object]) -> float:
        """Until the device is done with it."""
        started = time.perf_counter()
        work()
        if self.on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - started

    def each(self, cases: Sequence[Case], measure: Callable[[Case], Mapping[str, object]]) -> Iterator[Row]:
        """The row of each case; of one that fails, the columns that name it and why: the others go on."""
        for case in cases:
            try:
                row = {**case.row, **measure(case), "failed": None}
            except Exception as error:
                row = {**case.row, "failed": f"{type(error).__name__}: {last_line(error)}"}
            free_memory()  # after the handler, which holds what the error passed through
            yield row
