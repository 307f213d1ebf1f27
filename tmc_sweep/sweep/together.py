"""What processes that share a GPU each get done: all are made and warmed up, and then let go at one moment.

A fraction of a GPU that Ray hands out divides nothing: what a process gets beside others can only be measured. One
alone is measured in the same way, so that what it took of the GPU ends with it. To each process:

    the order on stdin → `ready` on stdout → a line on stdin → the cost on stdout; `null` for either if it does not fit
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from statistics import harmonic_mean
from tempfile import TemporaryFile
from typing import Any

import torch

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine
from tmc_sweep.gpus import first_gpu
from tmc_sweep.sweep.memory import fits
from tmc_sweep.text import last_line
from tmc_sweep.training.device import context_bytes, prepare
from tmc_sweep.training.probe import Rehearsal

_PATIENCE_SECONDS = 900.0  # for all of it; to compile takes a minute, and longer where several processes do
_READY = "ready"
_COMMAND = ("-m", __name__)


def together(
    config: TrialConfig,
    members: int,
    device: str,
    engine: Engine,
    *,
    share: float = 1.0,
    processes: int = 1,
    environment: Mapping[str, str] | None = None,
    seconds: float = _PATIENCE_SECONDS,
) -> Cost:
    """The cost of such a pack while so many processes train one each, all with as many threads as this one.

    Each may hold its `share` of the GPU's memory. `environment`: theirs, this process's by default. MemoryError if one
    does not fit, RuntimeError if one fails or not all are done within `seconds`.
    """
    order = {
        "config": config.model_dump(mode="json"),
        "members": members,
        "device": device,
        "engine": engine,
        "share": share,
        "threads": torch.get_num_threads(),
        "tf32": torch.get_float32_matmul_precision() == "high",
    }
    with _started(processes, {**(environment or os.environ)}, seconds) as children:
        for child in children:
            child.tell(json.dumps(order))
        if [child.answer() for child in children] != [_READY] * processes:
            raise MemoryError
        for child in children:
            child.tell("")
        costs = [Cost(**cost) for child in children if (cost := child.answer())]
    if len(costs) < processes:
        raise MemoryError
    return replace(
        max(costs, key=lambda cost: cost.memory_bytes),
        step_seconds=harmonic_mean([cost.step_seconds for cost in costs]),
        evaluation_seconds=harmonic_mean([cost.evaluation_seconds for cost in costs]),
        agrees=all(cost.agrees for cost in costs),
    )


class _Child:
    """A process that rehearses."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._errors = TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, *_COMMAND],
            env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},  # a model may be of one's own
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def tell(self, line: str) -> None:
        """One line; nothing if it has ended, which its answer tells."""
        with suppress(BrokenPipeError):
            print(line, file=self._process.stdin, flush=True)

    def answer(self) -> Any:
        """What it says next; RuntimeError with its last word if it has ended."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        raise RuntimeError(last_line(self._errors.read()) or f"its process ended with {code}")

    def kill(self) -> None:
        """Now, if it has not ended."""
        self._process.kill()

    def end(self) -> None:
        """Killed, and nothing left of it."""
        self.kill()
        self._process.communicate()
        self._errors.close()


@contextmanager
def _started(number: int, environment: Mapping[str, str], seconds: float) -> Iterator[list[_Child]]:
    """So many processes, none of which outlives this, or the time."""
    children: list[_Child] = []
    late = threading.Event()

    def end() -> None:
        late.set()
        for child in children:
            child.kill()

    timer = threading.Timer(seconds, end)
    try:
        for _ in range(number):
            children.append(_Child(environment))
        timer.start()
        yield children
    except RuntimeError:
        if late.is_set():
            raise RuntimeError(f"it took more than {seconds:g} s") from None
        raise
    finally:
        timer.cancel()
        for child in children:
            child.end()


def main() -> None:
    """Rehearse as one of several; what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(what: object) -> None:
        print(json.dumps(what), file=answers, flush=True)

    def rehearse() -> None:
        used_before = gpu.used_bytes if on_gpu and (gpu := first_gpu()) else None
        device = prepare(order["threads"], order["share"] if on_gpu else 0, order["tf32"])
        rehearsal = Rehearsal(TrialConfig.stored(order["config"]), order["members"], device, order["engine"])
        tell(_READY)
        sys.stdin.readline()
        cost = rehearsal.cost()
        if on_gpu:
            cost = replace(
                cost,
                memory_bytes=torch.cuda.max_memory_reserved(),
                context_bytes=context_bytes(used_before),
                device_bytes=torch.cuda.mem_get_info()[1],
            )
        tell(asdict(cost))

    order = json.loads(sys.stdin.readline())
    on_gpu = order["device"].startswith("cuda")
    if not fits(rehearse):
        tell(None)


if __name__ == "__main__":
    main()
