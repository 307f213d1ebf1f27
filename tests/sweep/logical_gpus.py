"""GPUs that Ray hands out and no machine has: what is given a share of one trains on the processor."""

from tmc_sweep.sweep import trainable, worker

JOB = '{"runtime_env": {"worker_process_setup_hook": "logical_gpus.train_on_processor"}}'  # RAY_JOB_CONFIG_JSON_ENV_VAR


def train_on_processor() -> None:
    """Ray calls this first in each process that works for the job."""
    trainable.prepare = lambda cpu, gpu, tf32: worker.prepare(cpu, 0.0, tf32)
