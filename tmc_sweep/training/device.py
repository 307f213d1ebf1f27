"""What a process that trains is given: its threads, and its share of a GPU's memory."""

import os

import torch

from tmc_sweep.costs import threads_of
from tmc_sweep.gpus import first_gpu

_CONTEXT_BYTES = 2**29  # a guess


def set_up(cpu: float, gpu: float, tf32: bool) -> str:
    """Threads from the CPU share, and how exact products are; torch's device. CUDA is not begun."""
    torch.set_num_threads(threads_of(cpu))
    if not gpu:
        return "cpu"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    return "cuda"


def prepare(cpu: float, gpu: float, tf32: bool) -> str:
    """`set_up`, and no more of a GPU's memory than the share."""
    device = set_up(cpu, gpu, tf32)
    if 0 < gpu < 1:
        fraction = memory_fraction(gpu, context_bytes(), torch.cuda.get_device_properties(0).total_memory)
        torch.cuda.set_per_process_memory_fraction(fraction)
    return device


def memory_fraction(share: float, context: int, total: int) -> float:
    """What torch may hold of a GPU's memory: the share, less what CUDA itself takes in this process (`context`)."""
    return max(0.0, share - context / total)


def context_bytes(used_before: int | None = None) -> int:
    """What CUDA takes of the GPU in this process, beside what torch holds.

    As the driver tells of this process; else what the GPU's use has grown by since `used_before`, bytes of whomever
    before this process began CUDA; else a guess.
    """
    torch.ones(1, device="cuda").add_(1).item()  # begins CUDA
    held = torch.cuda.memory_reserved()
    gpu = first_gpu()
    if gpu and (ours := gpu.processes.get(os.getpid())):
        return max(0, ours - held)
    if used_before is None:
        return _CONTEXT_BYTES
    free, total = torch.cuda.mem_get_info()
    return max(0, total - free - used_before - held)
