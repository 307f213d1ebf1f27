"""What a machine has for processes that train, and whether a trial fits. It loads no Ray, and torch for a GPU alone."""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tmc_sweep.commands import command
from tmc_sweep.errors import CannotRunError
from tmc_sweep.space.schema import Resources

Capacity = Mapping[str, float]  # of one node: {"CPU": 8, "GPU": 1}


def capacity_here() -> Capacity:
    """What this machine has: the cores that this process may use, and the GPUs that torch can use."""
    import joblib  # which those who train do without

    return {"CPU": float(joblib.cpu_count()), "GPU": float(_n_gpus())}


def _n_gpus() -> int:
    """As many as torch can use, which is asked only where a GPU's driver is."""
    if not (_has_nvidias_driver() or Path("/dev/kfd").exists()):  # AMD's
        return 0
    import torch

    return torch.cuda.device_count()


def _has_nvidias_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def check_fits(resources: Resources, nodes: Sequence[Capacity], unjoined: int = 0) -> None:
    """CannotRunError if none of the nodes could ever hold a trial.

    With `gpu: auto`, a trial needs a GPU if any node has one. `unjoined` is how many more nodes may come of which
    nothing is known; the error then advises to wait for them.
    """
    if not any_fits(resources, nodes):
        any_gpu = _any_gpu(resources, nodes)
        has = ", ".join(sorted({f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in nodes}))
        gpu = "a share of a" if any_gpu else f"{_least_gpu(resources):g}"
        more = f", and {unjoined} more have yet to join: wait until {command('doctor')} shows them, "
        raise CannotRunError(
            f"a trial must fit on one node, but asks for {resources.cpu:g} CPU and {gpu} GPU where the nodes have "
            f"{has or 'nothing'}{more if unjoined else ': '}lower resources.cpu or resources.gpu, or run on a "
            "larger cluster"
        )


def any_fits(resources: Resources, nodes: Sequence[Capacity]) -> bool:
    """Whether one of the nodes could ever hold a trial with these resources."""
    any_gpu = _any_gpu(resources, nodes)
    return any(_holds(shape, resources) and (shape.gpu or not any_gpu) for shape in map(shape_of, nodes))


class Shape(NamedTuple):
    """What of a node matters to trials: how many GPUs and cores it has."""

    gpu: float
    cpu: float


def shape_of(node: Capacity) -> Shape:
    """The node's shape."""
    return Shape(node.get("GPU", 0), node.get("CPU", 0))


def _holds(shape: Shape, resources: Resources) -> bool:
    return shape.cpu >= resources.cpu and shape.gpu >= _least_gpu(resources)


def worth(shape: Shape, resources: Resources) -> tuple[bool, Sequence[float]]:
    """A key that sorts shapes: those that hold a trial after those that do not, then by their GPUs or cores."""
    return _holds(shape, resources), shape if resources.gpu else shape[::-1]


def _any_gpu(resources: Resources, nodes: Sequence[Capacity]) -> bool:
    return resources.gpu == "auto" and any(node.get("GPU", 0) for node in nodes)


def _least_gpu(resources: Resources) -> float:
    return 0.0 if resources.gpu == "auto" else float(resources.gpu)


def room(node: Capacity, cpu: float, gpu: float) -> int:
    """How many processes this node holds at once, each with this many cores and this share of a GPU."""
    return min([int(node.get("CPU", 0) / cpu), *([int(node.get("GPU", 0) / gpu)] if gpu else [])])


def on_one_gpu(nodes: Sequence[Capacity], cpu: float, gpu: float) -> int:
    """How many processes with so many cores and such a share are on one GPU at most, where the nodes hold most."""
    if not 0 < gpu < 1:
        return 1
    per_gpu = [{"CPU": node.get("CPU", 0) / node["GPU"], "GPU": 1.0} for node in nodes if has_gpu(node)]
    return max([1, *(room(node, cpu, gpu) for node in per_gpu)])


def has_gpu(node: Capacity) -> bool:
    """Whether the node has a GPU."""
    return node.get("GPU", 0) > 0
