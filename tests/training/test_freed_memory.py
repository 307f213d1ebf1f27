"""What a training process frees it keeps."""

import subprocess
import sys

import pytest

ROUNDS = """
import ctypes, resource, sys
import torch
from tmc_sweep.training.memory import keep_freed_memory

for threshold in (-1, -3):  # of what goes back, as glibc begins with it: it changes by what is freed
    ctypes.CDLL(None).mallopt(threshold, 2**17)
if sys.argv[1] == "kept":
    keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):  # each as a step does: 40 MiB in blocks of one, all of which are freed
    before, blocks = faults(), [torch.ones(2**18) for _ in range(40)]
    del blocks
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
def test_a_rounds_tensors_take_the_place_of_the_rounds_before():
    def faults(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", ROUNDS, how], capture_output=True, check=True).stdout)

    assert faults("kept") < 100 < 5000 < faults("as it is")
