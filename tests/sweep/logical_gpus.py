"""GPUs that Ray hands out and no machine has: what is given a share of one trains on the processor.

Training stops at a gate, if there is one, until that file is there: so a test knows what trains at once.
"""

import os
import time
from pathlib import Path

from tmc_sweep.sweep import trainable, worker

JOB = '{"runtime_env": {"worker_process_setup_hook": "logical_gpus.train_on_processor"}}'  # RAY_JOB_CONFIG_JSON_ENV_VAR
GATE = "TMC_TEST_GATE"
EPOCHS_BEFORE_GATE = 3
_NODE = os.getppid()  # the raylet that began this process


def train_on_processor() -> None:
    """Ray calls this first in each process that works for the job."""
    trainable.prepare = lambda cpu, gpu, tf32: worker.prepare(cpu, 0.0, tf32)
    if GATE in os.environ:
        trainable.PackRun = GatedRun


class GatedRun(trainable.PackRun):
    """Has its first epochs on record, and waits at the gate."""

    _trained = 0

    def train_epoch(self) -> None:
        if self._trained == EPOCHS_BEFORE_GATE:
            self._channel.flush()
            self._wait()
        super().train_epoch()
        self._trained += 1

    def _wait(self) -> None:
        """Until the gate is there; a process whose node is lost goes no further, until it is ended too."""
        patience = time.monotonic() + 300
        while time.monotonic() < patience and (not Path(os.environ[GATE]).exists() or os.getppid() != _NODE):
            time.sleep(0.05)
