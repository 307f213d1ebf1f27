"""The most memory that a pack's training holds, its evaluation left out."""

from collections.abc import Iterator
from itertools import product

import torch

from benchmarks.gpu.setting import COMPILED, Case, Row, Setting
from benchmarks.measure import peak_bytes
from tmc_sweep.training.device import context_bytes

_BATCHES = 3


def rows(setting: Setting) -> Iterator[Row]:
    """Each engine and size of pack; on a GPU with what CUDA itself takes."""
    sizes = [("small", 20), ("large", 50)] if setting.on_gpu else [("small", setting.k)]
    members = (1, 3, 8) if setting.on_gpu else (1, 3)
    engines = [*setting.quick_engines, *([COMPILED] if setting.on_gpu else [])]
    cases = [Case(name, "tmc", k, n, engine) for (name, k), engine, n in product(sizes, engines, members)]

    def measured(case: Case) -> Row:
        if not setting.on_gpu:
            pack = setting.pack(case, _BATCHES)
            return {"peak_bytes": peak_bytes(pack.train_epoch), "context_bytes": None}
        context = context_bytes()
        torch.cuda.reset_peak_memory_stats()
        setting.pack(case, _BATCHES).train_epoch()
        return {"peak_bytes": torch.cuda.max_memory_reserved(), "context_bytes": context}

    return setting.each([case for case in cases if (case.engine, case.K) != (COMPILED, 50)], measured)
