"""Each engine's training against the eager one's: a graph replays the same kernels, the compiler makes other ones."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.gpu.setting import ENGINES, Case, Row, Setting

_EPOCHS, _BATCHES = 2, 8


def rows(setting: Setting) -> Iterator[Row]:
    """Each engine, a pack of three."""
    case = Case(setting.compiled_in_time, K=setting.k, members=3)
    eager = _trained(setting, case)

    def compared(case: Case) -> Row:
        found = _trained(setting, case)
        off = max(float((a - b).norm() / b.norm()) for a, b in zip(found, eager, strict=True))
        same_bits = all(torch.equal(a, b) for a, b in zip(found, eager, strict=True))
        return {"steps": _EPOCHS * _BATCHES, "same_bits": same_bits, "parameters_off": off}

    engines = [*setting.quick_engines, *(engine for engine in ENGINES if engine not in setting.quick_engines)]
    return setting.each([replace(case, engine=engine) for engine in engines], compared)


def _trained(setting: Setting, case: Case) -> list[Tensor]:
    """Each member's parameters after a few steps."""
    pack = setting.pack(case, _BATCHES)
    for _ in range(_EPOCHS):
        pack.train_epoch()
    states = [pack.state(index) for index in range(case.members)]
    return [torch.cat([value.flatten() for value in state.parameters.values()]) for state in states]
