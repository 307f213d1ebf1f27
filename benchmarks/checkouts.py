"""One training step of an earlier checkout, of this one and of the reference: CPU milliseconds, medians of rounds.

    git worktree add /tmp/before 5056382
    python -m benchmarks.checkouts --before /tmp/before --K 20 --rounds 30 --json

Three processes take turns, four steps at a time. The reference's is of the earlier checkout, whose packs, unlike ours,
leave the C library's handling of freed memory as it is.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from typing import IO, Annotated, TypedDict, cast

from benchmarks import command
from benchmarks.suite import ROOT
from benchmarks.workload import BATCHES

_WORKER = """
import sys, time, torch
from benchmarks.reference import ReferenceTraining, ReferenceVAE
from benchmarks.workload import configuration, module_of, random_images, training

torch.set_num_threads(1)
what, architecture, objective, k, members = sys.argv[1:]
config = configuration(architecture=architecture, objective=objective, K=int(k))
images = random_images(config)
steps = training(config, images, int(members))
if what == "reference":
    steps = ReferenceTraining(config, ReferenceVAE(config, module_of(steps)), images)
for _ in range(2):
    steps.train_epoch()
print("ready", flush=True)
for line in sys.stdin:
    started = time.process_time()
    steps.train_epoch()
    print(time.process_time() - started, flush=True)
"""


class Row(TypedDict):
    """One case."""

    architecture: str
    objective: str
    K: int
    members: int
    before_ms: float  # CPU, a step
    now_ms: float
    now_over_before: float  # ratios are medians of the rounds'
    reference_ms: float
    reference_over_before: float
    reference_over_now: float


def rows(
    before: Annotated[str, "folder of an earlier checkout"] = "/tmp/before",  # noqa: S108
    architecture: command.Architectures = ("small", "large"),
    objective: command.Objectives = ("tmc", "iwae"),
    K: command.Ks = (20,),
    members: Annotated[int, "trials in a pack; the reference has one"] = 1,
    rounds: command.Rounds = 30,
) -> Iterator[Row]:
    """Each combination."""
    for name, bound, k in product(architecture, objective, K):
        case = (name, bound, str(k), str(members))
        old, new, reference = _turns(case, before, rounds)
        yield {
            "architecture": name,
            "objective": bound,
            "K": k,
            "members": members,
            "before_ms": statistics.median(old),
            "now_ms": statistics.median(new),
            "now_over_before": _ratio(new, old),
            "reference_ms": statistics.median(reference),
            "reference_over_before": _ratio(reference, old),
            "reference_over_now": _ratio(reference, new),
        }


def _turns(case: tuple[str, ...], before: str, rounds: int) -> list[list[float]]:
    """Each one's milliseconds a step, round by round."""
    workers = [_worker(before, "ours", case), _worker(str(ROOT), "ours", case), _worker(before, "reference", case)]
    try:
        for worker in workers:
            _answer(worker)
        times: list[list[float]] = [[] for _ in workers]
        for _ in range(rounds):
            for worker, measured in zip(workers, times, strict=True):
                cast(IO[str], worker.stdin).write("go\n")
                measured.append(1e3 * float(_answer(worker)) / BATCHES)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    return times


def _worker(folder: str, what: str, case: tuple[str, ...]) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _WORKER, what, *case]
    environment = {**os.environ, "PYTHONPATH": folder}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1)


def _answer(worker: subprocess.Popen[str]) -> str:
    answer = cast(IO[str], worker.stdout).readline()
    if not answer:
        raise SystemExit("a checkout must have benchmarks.workload, but one cannot be timed: see the error above")
    return answer


def _ratio(upper: list[float], lower: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(upper, lower, strict=True))


main = command.of(rows)

if __name__ == "__main__":
    main()
