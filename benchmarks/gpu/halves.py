"""A pack too large for the memory goes on in halves, by each engine, and each trial comes to the same end.

The memory is made small, to what lies between the needs of two members and of four. On a processor in the GPU's place
the error is raised where it would come.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from benchmarks.gpu.setting import COMPILED, Case, Row, Setting
from benchmarks.workload import random_images
from tmc_sweep.config import TrialConfig
from tmc_sweep.images import Images
from tmc_sweep.records import EpochRecord
from tmc_sweep.store.messages import Ack, Failed, Message, Reply, Report, Started, StartTrial
from tmc_sweep.sweep.memory import free_memory
from tmc_sweep.sweep.pack_run import PackRun
from tmc_sweep.training import Pack

_MEMBERS, _IMAGES = 4, 512


class _Kept:
    """A channel to no writer: what is reported is kept here."""

    stopping = False

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.failures: list[str] = []
        self.together: set[int] = set()  # how many trained in the epochs that were reported
        self.objectives: dict[str, float] = {}

    def ask(self, messages: Sequence[Message]) -> list[Reply]:
        """Every trial begins anew."""
        return [self._reply(message) for message in messages]

    def send(self, messages: Sequence[Message]) -> None:
        """Keep what is reported."""
        self.ask(messages)

    def flush(self) -> None:
        """Nothing is on its way."""

    def _reply(self, message: Message) -> Reply:
        if isinstance(message, StartTrial):
            return Started(1, None)
        if isinstance(message, Failed):
            self.failures.append(message.reason)
        if isinstance(message, Report):
            self.together.add(message.members)
            self.objectives[message.trial_id] = message.records[-1].train_objective or 0.0
        return Ack(refused=False)


def rows(setting: Setting) -> Iterator[Row]:
    """Each engine."""
    engines = [*setting.quick_engines, *([COMPILED] if setting.on_gpu else [])]
    k = 50 if setting.on_gpu else 2
    return setting.each(
        [Case(K=k, members=_MEMBERS, engine=engine) for engine in engines], lambda c: halved(setting, c)
    )


def halved(setting: Setting, case: Case) -> Row:
    """Trained whole, and then in the memory of less than four."""
    whole, needs = _trained(setting, case, _MEMBERS), _peak(setting)
    _trained(setting, case, 1)
    of_one = _peak(setting)
    bound = of_one + (needs - of_one) * 2 // 3  # of three
    with _Bounded(setting, bound):
        halves = _trained(setting, case, _MEMBERS)
    off = max(abs(halves.objectives[name] / value - 1) for name, value in whole.objectives.items())
    return {
        "bound_bytes": bound if setting.on_gpu else None,
        "together": " and ".join(map(str, sorted(halves.together))),
        "done": len(halves.objectives) - len(halves.failures),
        "objectives_off": off,
    }


def _trained(setting: Setting, case: Case, members: int) -> _Kept:
    free_memory()
    if setting.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    configs = [
        TrialConfig.parse({**case.config.model_dump(), "seed": seed, "epochs": 1, **_few()}) for seed in range(members)
    ]
    array = random_images(case.config, _IMAGES).numpy()
    images = Images(array, np.zeros(_IMAGES, np.uint8), array, np.zeros(_IMAGES, np.uint8), "random" * 4)
    kept = _Kept()
    run = PackRun(configs, images, kept, setting.device, 1e9, case.engine)
    while not run.finished:
        run.train_epoch()
    return kept


def _few() -> dict[str, int]:
    return {"train_images": _IMAGES, "test_images": 128}


def _peak(setting: Setting) -> int:
    return torch.cuda.max_memory_reserved() if setting.on_gpu else 0


class _Bounded:
    """No more memory than so much, while inside."""

    def __init__(self, setting: Setting, n_bytes: int) -> None:
        self._setting = setting
        self._fraction = n_bytes / torch.cuda.mem_get_info()[1] if setting.on_gpu else 0.0
        self._train_epoch = Pack.train_epoch

    def __enter__(self) -> None:
        if self._setting.on_gpu:
            free_memory()
            torch.cuda.set_per_process_memory_fraction(self._fraction)
            return

        def too_large(pack: Pack) -> list[EpochRecord]:
            if len(pack.states) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory, as it were")
            return self._train_epoch(pack)

        Pack.train_epoch = too_large  # type: ignore[method-assign, assignment]

    def __exit__(self, *_: object) -> None:
        if self._setting.on_gpu:
            torch.cuda.set_per_process_memory_fraction(1.0)
        Pack.train_epoch = self._train_epoch  # type: ignore[method-assign]
