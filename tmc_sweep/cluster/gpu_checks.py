"""Whether a machine's GPUs can be shared, and compiled for: a sentence for each thing, and the fix of what is wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tmc_sweep.cluster.machine import Check, Machine
from tmc_sweep.gpus import Gpu
from tmc_sweep.text import gigabytes

_LEAST_FREE_BYTES = 2**30  # CUDA itself takes half of it in each process


def gpu_checks(machine: Machine) -> Iterator[Check]:
    """Compute mode, MIG and memory in use, as the driver tells; MPS; the compiler. None where there is no GPU."""
    if not machine.cards:
        return
    if machine.driver_gpus is None:
        unknown = "compute mode, MIG and memory in use are unknown here: `pip install nvidia-ml-py` lets them be asked"
        yield Check(True, "compute mode", unknown)
    else:
        yield _compute_mode(machine.driver_gpus, machine.mps_user)
        yield _mig(machine.driver_gpus)
        yield _memory(machine.driver_gpus)
    yield _mps(machine)
    yield _compiler(machine)


def _compute_mode(gpus: Sequence[Gpu], mps_user: str | None) -> Check:
    for number, gpu in enumerate(gpus):
        fix = f"run `sudo nvidia-smi -i {number} -c DEFAULT`"
        if gpu.compute_mode == "prohibited":
            found = f"GPU {number} ({gpu.name}) is in compute mode prohibited, in which nothing runs on it"
            return Check(False, "compute mode", found, fix)
        if gpu.compute_mode == "exclusive" and mps_user is None:
            found = f"GPU {number} ({gpu.name}) is in compute mode exclusive, in which one process has it alone"
            return Check(False, "compute mode", found, f"{fix}, or start an MPS daemon, or set resources.gpu to 1")
    modes = " and ".join(Counter(gpu.compute_mode for gpu in gpus))
    return Check(True, "compute mode", f"{modes}: several processes may be on a GPU")


def _mig(gpus: Sequence[Gpu]) -> Check:
    cut = [str(number) for number, gpu in enumerate(gpus) if gpu.mig]
    if not cut:
        return Check(True, "mig", "off: a GPU is one device")
    found = f"on for GPU {', '.join(cut)}: a process uses one slice, while Ray and resources.gpu count whole GPUs"
    return Check(True, "mig", found)


def _memory(gpus: Sequence[Gpu]) -> Check:
    said = []
    for number, gpu in enumerate(gpus):
        found = f"GPU {number} ({gpu.name}) has {gigabytes(gpu.used_bytes)} of {gigabytes(gpu.total_bytes)} in use"
        found += f", by {len(gpu.processes)} process{'es' * (len(gpu.processes) > 1)}" if gpu.processes else ""
        if gpu.total_bytes - gpu.used_bytes < _LEAST_FREE_BYTES:
            return Check(False, "gpu memory", found, "end what runs there, unless it is a sweep")
        said.append(found)
    return Check(True, "gpu memory", "; ".join(said))


def _mps(machine: Machine) -> Check:
    whose = machine.mps_user
    if whose is None:
        return Check(True, "mps", "no daemon: processes that share a GPU take turns on it")
    if whose not in (machine.user, "root"):
        found = f"a daemon of {whose} runs, which refuses the processes of {machine.user}"
        return Check(False, "mps", found, f"start it as {machine.user}, or let {whose} end it")
    return Check(True, "mps", f"a daemon of {whose}: processes that share a GPU run at once, and fail together")


def _compiler(machine: Machine) -> Check:
    if machine.compiler is None:
        found = "no C compiler, without which the engine compiled cannot be used"
        return Check(False, "compiler", found, "install gcc, or name one by CC")
    if not machine.python_header:
        found = f"{machine.compiler}, but no Python.h, without which the engine compiled cannot be used"
        return Check(False, "compiler", found, f"install the headers of Python {machine.python}, such as python3-dev")
    return Check(True, "compiler", f"{machine.compiler}, and Python's headers: the engine compiled can be used")
