"""How often a step waits for the device, what it launches, and for how long its kernels run: from torch's profiler.

What an epoch does once is left out: the counts are those of a longer epoch, less those of a shorter one.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import product

from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.setting import COMPILED, Case, Row, Setting

_FEW, _MORE = 4, 12  # steps of an epoch
_ON_A_GPU = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaMemcpy")
_PACED = "cudaEventSynchronize"  # a host that replays does not run far ahead, and waits for what is long done
_ON_A_CPU = ("aten::_local_scalar_dense", "aten::nonzero")  # which would wait if there were a device
_LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch")


def rows(setting: Setting) -> Iterator[Row]:
    """Each engine, for three members and one; compiled for those that the part before it has compiled."""
    cases = [
        Case(K=setting.k, members=members, engine=engine) for engine, members in product(setting.quick_engines, (3, 1))
    ]
    cases += [Case(members=3, engine=COMPILED)] if setting.on_gpu else []

    def counted(case: Case) -> Row:
        few, more = (_counts(setting, case, batches) for batches in (_FEW, _MORE))
        if setting.on_gpu and not more["kernels"]:
            raise RuntimeError("the profiler must see kernels, but sees none: CUPTI is missing, or not allowed here")

        def a_step(*names: str) -> float:
            return sum(more[name] - few[name] for name in names) / (_MORE - _FEW)

        return {
            "host_waits": a_step(*(_ON_A_GPU if setting.on_gpu else _ON_A_CPU)),
            "paced": a_step(_PACED) if setting.on_gpu else None,
            "launches": a_step(*_LAUNCHES) if setting.on_gpu else None,
            "kernels": a_step("kernels") if setting.on_gpu else None,
            "kernel_ms": a_step("kernel_ns") / 1e6 if setting.on_gpu else None,
        }

    return setting.each(cases, counted)


def _counts(setting: Setting, case: Case, batches: int) -> Counter[str]:
    """Calls by name in one epoch, kernels of all names, and their nanoseconds."""
    pack = setting.pack(case, batches)
    pack.train_epoch()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if setting.on_gpu else [])]
    with profile(activities=activities) as profiler:
        pack.train_epoch()
    found: Counter[str] = Counter()
    for event in profiler.profiler.kineto_results.events():
        if event.device_type() == DeviceType.CPU:
            found[event.name()] += 1
        elif not event.is_user_annotation():
            found["kernels"] += 1
            found["kernel_ns"] += event.duration_ns()
    return found
