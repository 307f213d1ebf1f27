"""GPUs that Ray hands out and no machine has: what is given a share of one trains on the processor."""

import gate

from tmc_sweep.sweep import worker


def install() -> None:
    """Let this process train on the processor, by the gate."""
    prepare, set_up = worker.prepare, worker.set_up
    worker.prepare = lambda cpu, gpu, tf32: prepare(cpu, 0.0, tf32)
    worker.set_up = lambda cpu, gpu, tf32: set_up(cpu, 0.0, tf32)
    gate.install()
