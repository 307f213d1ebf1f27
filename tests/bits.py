"""What 200 steps give, to the last bit: hashes of every preset, objective, gradient and K, an odd last batch included.

    python tests/bits.py        writes those of this kind of processor into golden/bits.json, beside those of others

Bits change only on purpose: whoever changes how numbers are rounded raises `FORMS` in `training/provenance.py`, so that
epochs that are recomputed replace those on record, and writes these anew.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch

FILE = Path(__file__).parent / "golden" / "bits.json"
sys.path.insert(0, str(FILE.parents[2]))

from tmc_sweep.config import PRESETS, TrialConfig  # noqa: E402
from tmc_sweep.data import Split, load  # noqa: E402
from tmc_sweep.errors import InputError  # noqa: E402
from tmc_sweep.registry import BOUNDS  # noqa: E402
from tmc_sweep.training import Pack, TrialState  # noqa: E402
from tmc_sweep.training.provenance import of_this_process, processor  # noqa: E402

STEPS = 200
FIELDS = {"data": "digits", "train_images": 197, "test_images": 33, "batch_size": 20}  # the last of ten batches has 17


def cases() -> Iterator[tuple[str, TrialConfig]]:
    """By name, all that can be configured."""
    for preset, objective, gradient, k in product(PRESETS, BOUNDS, ("std", "stl", "dregs"), (1, 5, 20)):
        fields = {"architecture": preset, "objective": objective, "gradient": gradient, "K": k}
        try:
            yield f"{preset} {objective} {gradient} {k}", TrialConfig.parse({**FIELDS, **fields})
        except InputError:  # an estimator that is biased there
            continue


def kind() -> str:
    """What bits depend on: the processor, who makes its products, and torch."""
    maker = of_this_process("cpu", "eager").arithmetic.split()[-1]
    return f"{processor()}, products by {maker}, torch {torch.__version__}"


def hash_of(config: TrialConfig) -> str:
    """Of all parameters, and of the values of all epochs."""
    pack = Pack([TrialState.initial(config)], Split.of(load(config.data), config))
    for _ in range(STEPS // config.steps_per_epoch):
        pack.train_epoch()
    state = pack.state(0)
    sha = hashlib.sha256(json.dumps([record.outcome() for record in state.history]).encode())
    for name in sorted(state.parameters):
        sha.update(state.parameters[name].numpy().tobytes())
    return sha.hexdigest()[:16]


def stored() -> dict[str, dict[str, str]]:
    """Hash by case, by kind of processor."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


if __name__ == "__main__":
    torch.set_num_threads(1)
    by_kind = {**stored(), kind(): {name: hash_of(config) for name, config in cases()}}
    FILE.write_text(json.dumps(by_kind, indent=1) + "\n")
