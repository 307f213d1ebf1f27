"""One epoch of the article's Table 1, small model, K = 20, three seeds in a pack, and what 1200 epochs would take."""

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.gpu.setting import COMPILED, Case, Row, Setting
from benchmarks.workload import random_images
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split, load
from tmc_sweep.training import Pack, TrialState

_SEEDS, _EPOCHS = 3, 1200


def rows(setting: Setting) -> Iterator[Row]:
    """Each objective by the engine that was quickest to write down, and by the compiled one on a GPU."""
    quickest = setting.quick_engines[-1]
    engines = (quickest, COMPILED) if setting.on_gpu else (quickest,)
    cases = [Case("small", objective, 20, _SEEDS, engine) for engine in engines for objective in ("tmc", "iwae")]
    return setting.each(cases, lambda case: trained(setting, case))


def trained(setting: Setting, case: Case) -> Row:
    """Two epochs, of which the second is timed: the first captures or compiles."""
    n_train, n_test = (60_000, 10_000) if setting.on_gpu else (640, 128)
    fields = {**case.config.model_dump(), "train_images": n_train, "test_images": n_test}
    configs = [TrialConfig.parse({**fields, "seed": seed}) for seed in range(_SEEDS)]
    data = Split.of(_images(setting, configs[0]), configs[0], setting.device)
    pack = Pack([TrialState.initial(config) for config in configs], data, setting.device, engine=case.engine)
    started = time.perf_counter()
    pack.train_epoch()
    first = time.perf_counter() - started
    record = pack.train_epoch()[0]
    return {
        "images": n_train,
        "data": "mnist" if setting.data else "random",
        "first_epoch_seconds": first,
        "epoch_seconds": record.epoch_seconds,
        "evaluation_seconds": record.eval_seconds,
        "hours_of_1200": (first + (_EPOCHS - 1) * record.epoch_seconds) / 3600,
        "train_objective": record.train_objective,
        "test_objective": record.test_objective,
    }


def _images(setting: Setting, config: TrialConfig) -> Images:
    if setting.data:
        return load("mnist", setting.data, download=False)
    train, test = (random_images(config, count).numpy() for count in (config.train_images, config.test_images))
    return Images(train, np.zeros(len(train), np.uint8), test, np.zeros(len(test), np.uint8), "random")
