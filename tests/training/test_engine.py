"""The compiled engine: the same numbers as the eager one, up to rounding."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

DREGS = {"objective": "iwae", "gradient": "dregs"}
ONE, TWO = {"architecture": {"latents": [4]}}, {"architecture": {"latents": [4, 4]}}
COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
CASES = [  # on a CPU the plain gradient of TMC is compiled by the engine's benchmark
    pytest.param("cpu", ONE | DREGS, marks=COMPILER),
    pytest.param("cpu", TWO | DREGS, marks=[COMPILER, pytest.mark.long]),
    pytest.param("cuda", ONE, marks=GPU),
    pytest.param("cuda", TWO | DREGS, marks=GPU),
]

TRAIN = """
import json, sys, torch
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Split, load
from tmc_sweep.training import Pack, TrialState

device, rows = sys.argv[1], []
torch.set_num_threads(1)
fields = {**json.loads(sys.argv[2]), "K": 2, "train_images": 64, "test_images": 32, "batch_size": 32}
configs = [TrialConfig.parse({**fields, "seed": seed}) for seed in (0, 1)]
for engine in ("eager", "compiled"):
    data = Split.of(load("digits"), configs[0], device)
    pack = Pack([TrialState.initial(config) for config in configs], data, device, engine=engine)
    records = [record for _ in range(2) for record in pack.train_epoch()]
    rows.append([[value for value in record.outcome() if value is not None] for record in records])
print(json.dumps(rows))
"""  # in a process of its own: here every call is checked for its shapes, which cannot be compiled


@pytest.mark.parametrize(("device", "fields"), CASES)
def test_a_compiled_pack_trains_as_an_eager_one_up_to_rounding(device: str, fields: dict[str, object]):
    command = [sys.executable, "-c", TRAIN, device, json.dumps(fields)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    eager, compiled = json.loads(done.stdout)
    assert len(eager) == 4
    for expected, got in zip(eager, compiled, strict=True):
        assert got == pytest.approx(expected, rel=1e-4)
    assert compiled != eager  # it was compiled
