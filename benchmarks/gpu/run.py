"""Each part in a process of its own, ended when its time is up: its rows are on disk as they come."""

import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.gpu.parts import Part
from tmc_sweep.gpus import first_gpu, mps_user
from tmc_sweep.text import last_line
from tmc_sweep.training.provenance import of_this_process

_LEAST_SECONDS = 1.0  # with less, a part is not begun
_COMMAND = (sys.executable, "-m", "benchmarks.gpu")


class Options(NamedTuple):
    """What a run is told."""

    device: str
    data: Path | None  # folder with MNIST
    results: Path
    seconds: float  # for all parts


def run(parts: Sequence[Part], options: Options) -> None:
    """Measure the parts, and say on stderr how each ended; the time that one leaves goes on to the next."""
    written: dict[str, Any] = {"where": where(options.device), "parts": {}}
    options.results.with_suffix(".log").unlink(missing_ok=True)
    began, due = time.monotonic(), 0.0
    for part in parts:
        due = min(due + part.seconds, options.seconds)
        limit = began + due - time.monotonic()
        entry: dict[str, Any] = {
            "seconds": 0.0,
            "limit_seconds": round(limit, 1),
            "ended": "no time was left",
            "rows": [],
        }
        written["parts"][part.name] = entry
        if limit >= _LEAST_SECONDS:
            print(f"{part.name} …", end=" ", file=sys.stderr, flush=True)
            _measure(part, options, limit, entry, lambda: _write(options.results, written))
            print(f"{len(entry['rows'])} rows, {entry['seconds']:.0f} s, {entry['ended']}", file=sys.stderr)
        _write(options.results, written)


def _measure(part: Part, options: Options, limit: float, entry: dict[str, Any], write: Callable[[], None]) -> None:
    """One part, whose rows go into the entry as they come, each followed by a `write`."""
    command = [*_COMMAND, "--device", options.device, "--part", part.name]
    command += ["--data", str(options.data)] if options.data else []
    began, late = time.monotonic(), threading.Event()
    with options.results.with_suffix(".log").open("a+") as log:
        before = log.tell()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        ) as process:

            def end() -> None:
                late.set()
                _end_group(process.pid)

            timer = threading.Timer(limit, end)
            timer.start()
            for line in process.stdout or ():
                entry["rows"].append(json.loads(line))
                write()
            code = process.wait()
            timer.cancel()
            _end_group(process.pid)  # those that it has left behind
        log.seek(before)
        said = last_line(log.read())
    entry["seconds"] = round(time.monotonic() - began, 1)
    entry["ended"] = "its time was up" if late.is_set() else "well" if code == 0 else said or f"with {code}"


def _end_group(number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(number, signal.SIGKILL)


def _write(results: Path, written: dict[str, Any]) -> None:
    aside = results.with_suffix(".new")
    aside.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    aside.replace(results)


def where(device: str) -> dict[str, Any]:
    """What the figures depend on. No CUDA is begun here: the parts are to have the GPU for themselves."""
    gpu = first_gpu() if device == "cuda" else None
    means = of_this_process("cpu", "eager")
    return {
        "device": device,
        "gpu": gpu.name if gpu else None,
        "gpu_bytes": gpu.total_bytes if gpu else None,
        "compute_mode": gpu.compute_mode if gpu else None,
        "mps_user": mps_user(),
        "processor": means.processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": means.git_commit,
        "date": datetime.now(UTC).date().isoformat(),
    }
