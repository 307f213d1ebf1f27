"""Processes that share a GPU, each with its part of the memory, with and without MPS, beside the pack in their place.

`work` is what they get done together, over one process with one member.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.gpu.setting import COMPILED, Case, Row, Setting
from tmc_sweep.costs import Engine, shape
from tmc_sweep.sweep.together import together
from tmc_sweep.text import last_line

_NUMBERS = (2, 3, 4)
_DAEMON = "nvidia-cuda-mps-control"
_START_SECONDS = 10.0


def rows(setting: Setting) -> Iterator[Row]:
    """Each engine that starts at once, the quickest first, then the compiled one."""
    engines: list[Engine] = [*reversed(setting.quick_engines), COMPILED] if setting.on_gpu else ["eager"]
    for engine in engines:
        yield from of_engine(setting, engine)


def of_engine(setting: Setting, engine: Engine) -> Iterator[Row]:
    """One process; packs; processes that take turns; processes under MPS."""
    found: list[float] = []  # seconds of a step of one process with one member

    def row(way: str, processes: int, members: int, by_mps: bool, environment: Mapping[str, str]) -> Row:
        of = {"engine": engine, "way": way, "share": round(1 / processes, 2), "trials": processes * members}
        try:
            seconds = _seconds(setting, engine, members, processes, environment)
        except Exception as error:
            return {**of, "mps": by_mps, "step_ms": None, "work": None, "failed": last_line(error)}
        found.append(seconds)
        work = processes * members * found[0] / seconds
        return {**of, "mps": by_mps, "step_ms": 1e3 * seconds, "work": work, "failed": None}

    numbers = _NUMBERS if setting.on_gpu else _NUMBERS[:1]
    yield row("one process", 1, 1, False, os.environ)
    yield from (row("a pack", 1, number, False, os.environ) for number in numbers)
    yield from (row("processes", number, 1, False, os.environ) for number in numbers)
    if setting.on_gpu and shutil.which(_DAEMON):
        try:
            with mps() as environment:
                yield from (row("processes", number, 1, True, environment) for number in (*_NUMBERS, 1))
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            yield {"engine": engine, "way": "processes", "mps": True, "failed": last_line(error)}


def _seconds(setting: Setting, engine: Engine, members: int, processes: int, environment: Mapping[str, str]) -> float:
    torch.set_num_threads(max(1, setting.threads // max(_NUMBERS)))  # of each
    config, share = shape(Case(K=setting.k).config), 1 / processes
    of_all = together(
        config, members, setting.device, engine, share=share, processes=processes, environment=environment
    )
    return of_all.step_seconds


@contextmanager
def mps() -> Iterator[Mapping[str, str]]:
    """A daemon of our own, and the environment of processes that use it. It sees every GPU, and ends with this."""
    with TemporaryDirectory(prefix="mps-") as folder:
        places = {f"CUDA_MPS_{name}_DIRECTORY": str(Path(folder, name)) for name in ("PIPE", "LOG")}
        for place in places.values():
            Path(place).mkdir()
        environment = {**os.environ, **places}
        visible = environment.pop("CUDA_VISIBLE_DEVICES", None)
        with subprocess.Popen([_DAEMON, "-f"], env=environment) as daemon:  # ends with our process group at the latest
            try:
                _wait_for(Path(places["CUDA_MPS_PIPE_DIRECTORY"], "control"), daemon)
                yield environment if visible is None else {**environment, "CUDA_VISIBLE_DEVICES": visible}
            finally:
                subprocess.run([_DAEMON], input="quit\n", text=True, env=environment, timeout=20, check=False)
                daemon.terminate()


def _wait_for(file: Path, daemon: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    while not file.exists():
        if daemon.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{_DAEMON} must start within {_START_SECONDS:g} s, but does not: see its output")
        time.sleep(0.1)
