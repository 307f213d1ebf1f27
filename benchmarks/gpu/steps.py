"""Milliseconds of a training step by each engine, and how long it takes to start; wall time, medians."""

import statistics
from collections.abc import Iterator
from itertools import product

from benchmarks.gpu.setting import COMPILED, Case, Row, Setting

_MEMBERS = (3, 1, 8)
_EPOCHS, _SECONDS = 3, 1.0  # at least


def rows(setting: Setting) -> Iterator[Row]:
    """What matters most first: all that start at once, then what compiles a minute each."""
    batches = 64 if setting.on_gpu else 3

    def timed(case: Case) -> Row:
        pack = setting.pack(case, batches)
        start = setting.seconds(pack.train_epoch)
        times: list[float] = []
        while len(times) < _EPOCHS or (setting.on_gpu and sum(times) < _SECONDS):
            times.append(setting.seconds(pack.train_epoch))
        ms = 1e3 * statistics.median(times) / batches
        return {"ms": ms, "ms_per_member": ms / case.members, "start_seconds": start}

    return setting.each(cases(setting), timed)


def cases(setting: Setting) -> list[Case]:
    """On a processor few: a step takes as long as a hundred of a GPU."""
    quick = [
        Case(name, "tmc", k, members, engine)
        for (name, k), members in product((("small", 20), ("large", 20), ("small", 50), ("small", 5)), _MEMBERS)
        for engine in setting.quick_engines
    ]
    quick += [Case("small", "iwae", 20, members, engine) for members in (3, 1) for engine in setting.quick_engines]
    compiled = [
        Case("small", "tmc", 20, 3, COMPILED),
        Case("small", "tmc", 20, 1, COMPILED),
        Case("small", "tmc", 20, 8, COMPILED),
        Case("small", "iwae", 20, 3, COMPILED),
        Case("large", "tmc", 20, 3, COMPILED),
        Case("small", "tmc", 50, 3, COMPILED),
        Case("small", "tmc", 5, 3, COMPILED),
        Case("large", "tmc", 20, 1, COMPILED),
    ]
    if setting.on_gpu:
        first = len(_MEMBERS) * len(setting.quick_engines)
        return [*quick[:first], *compiled[:2], *quick[first:], *compiled[2:]]
    called = [
        Case(K=setting.k, members=members, engine=engine) for engine in setting.quick_engines for members in (3, 1)
    ]
    return [*called, Case("large", K=setting.k), Case(setting.compiled_in_time, K=setting.k, engine=COMPILED)]
