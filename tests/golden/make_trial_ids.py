"""Write trial_ids.jsonl: 200 configurations and their names, by the version that is imported. Not written again."""

import json
import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from tmc_sweep.config import PRESETS, TrialConfig
from tmc_sweep.errors import InputError
from tmc_sweep.registry import BOUNDS
from tmc_sweep.space import load

HERE = Path(__file__).parent
COUNT, OF_A_FILE = 200, 8
VALUES: dict[str, list[object]] = {
    "data": ["digits", "mnist", "fashion_mnist", "cifar10"],
    "train_images": [1, 500, 1437, 10_000, 60_000],
    "test_images": [1, 100, 360, 10_000],
    "validation_images": [1, 100, 5000],
    "binarize": ["none", "static"],
    "objective": list(BOUNDS),
    "architecture": [
        *PRESETS,
        {"latents": [12, 4]},
        {"latents": [7, 5, 3, 2, 1]},
        {"latents": [1]},
        {"latents": [32768, 1], "p_hidden": [9, 5]},
        {"latents": [4] * 64, "q_hidden": [13] * 64},
        {"latents": [50, 2], "q_hidden": [100, 4]},
    ],
    "K": [1, 2, 5, 17, 50, 10_000],
    "eval_k": [1, 20, 100, 10_000],
    "lr": [1e-5, 3e-4, 1 / 3, 1e-2, 1, 10.0],
    "batch_size": [1, 64, 128, 100_000],
    "adam_eps": [1e-8, 1e-4, 1, 7e-300],
    "prior": ["standard", "learned"],
    "init": ["glorot_uniform", "torch"],
    "weight_norm": [False, True],
    "proposal": ["nonfactorised", "factorised"],
    "gradient": ["std", "stl", "dregs"],
    "epochs": [1, 500, 1_000_000],
    "seed": [1, 7, 2**31, 2**53 + 1, 2**63 - 1],
}


def of_files() -> Iterator[TrialConfig]:
    for path in sorted((HERE.parents[1] / "search_spaces").glob("*.yaml")):
        trials = load(path).trials()
        yield from trials[:: -(-len(trials) // OF_A_FILE)]


def drawn() -> Iterator[dict[str, object]]:
    """Presets and estimators by objective, each value of each field beside defaults, then some at random, for ever."""
    yield from ({"architecture": name, "objective": bound} for name, bound in product(PRESETS, BOUNDS))
    for bound, gradient, proposal in product(BOUNDS, VALUES["gradient"], VALUES["proposal"]):
        yield {"objective": bound, "gradient": gradient, "proposal": proposal}
    yield from ({name: value} for name, values in VALUES.items() for value in values)
    generator = random.Random(0)
    while True:
        names = generator.sample(list(VALUES), generator.randint(2, 8))
        yield {name: generator.choice(VALUES[name]) for name in names}


def lines() -> Iterator[str]:
    found = {config.trial_id: config for config in of_files()}
    for fields in drawn():
        if len(found) == COUNT:
            break
        try:
            config = TrialConfig.parse(fields)
        except InputError:
            continue
        found.setdefault(config.trial_id, config)
    for trial_id, config in found.items():
        names = {"trial_id": trial_id, "cell_id": config.cell_id}
        architecture = config.architecture.name if config.architecture.name in PRESETS else None
        fields = config.model_dump(mode="json") | ({"architecture": architecture} if architecture else {})
        yield json.dumps({**names, "config": fields})


if __name__ == "__main__":
    (HERE / "trial_ids.jsonl").write_text("".join(f"{line}\n" for line in lines()))
