"""Processes that share a GPU, each with its part of the memory, with and without MPS, beside the pack in their place.

`work` is what they get done together, over one process with one member.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.gpu.setting import COMPILED, Case, Row, Setting
from tmc_sweep.costs import Engine, shape
from tmc_sweep.sweep.together import together

_NUMBERS = (2, 3, 4)
_DAEMON = "nvidia-cuda-mps-control"


def rows(setting: Setting) -> Iterator[Row]:
    """Each engine that starts at once, the quickest first: packs, processes that take turns, processes under MPS."""
    for engine in reversed(setting.quick_engines):
        yield from of_engine(setting, engine)
    if setting.on_gpu:
        yield from of_engine(setting, COMPILED)


def of_engine(setting: Setting, engine: Engine) -> Iterator[Row]:
    """All numbers by one engine, over what one process does."""
    measured = partial(_seconds, setting, engine)
    one = measured(1, 1, os.environ)
    yield _row(engine, "one process", 1, 1, None, one, 1.0)
    for number in _NUMBERS:
        seconds = measured(number, 1, os.environ)
        yield _row(engine, "a pack", 1, number, None, seconds, number * one / seconds)
    for number in _NUMBERS:
        seconds = measured(1, number, os.environ)
        yield _row(engine, "processes", number, number, False, seconds, number * one / seconds)
    if not setting.on_gpu or shutil.which(_DAEMON) is None:
        return
    with mps() as environment:
        for number in (1, *_NUMBERS):
            seconds = measured(1, number, environment)
            yield _row(engine, "processes", number, number, True, seconds, number * one / seconds)


def _row(
    engine: Engine, way: str, processes: int, trials: int, by_mps: bool | None, seconds: float, work: float
) -> Row:
    return {
        "engine": engine,
        "way": way,
        "processes": processes,
        "share": round(1 / processes, 2),
        "trials": trials,
        "mps": by_mps,
        "step_ms": 1e3 * seconds,
        "work": work,
    }


def _seconds(setting: Setting, engine: Engine, members: int, processes: int, environment: Mapping[str, str]) -> float:
    torch.set_num_threads(1)
    config = shape(Case(K=setting.k).config)
    share = 1 / processes
    cost = together(config, members, setting.device, engine, share=share, processes=processes, environment=environment)
    return cost.step_seconds


@contextmanager
def mps() -> Iterator[Mapping[str, str]]:
    """A daemon of our own, and the environment of processes that use it. It sees every GPU, and ends with this."""
    with TemporaryDirectory(prefix="mps-") as folder:
        places = {f"CUDA_MPS_{name}_DIRECTORY": str(Path(folder, name)) for name in ("PIPE", "LOG")}
        for place in places.values():
            Path(place).mkdir()
        environment = {**os.environ, **places}
        visible = environment.pop("CUDA_VISIBLE_DEVICES", None)
        subprocess.run([_DAEMON, "-d"], env=environment, check=True)
        try:
            yield environment if visible is None else {**environment, "CUDA_VISIBLE_DEVICES": visible}
        finally:
            subprocess.run([_DAEMON], input="quit\n", text=True, env=environment, timeout=20, check=False)
