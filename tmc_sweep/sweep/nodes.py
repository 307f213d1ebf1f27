"""The nodes of a cluster, those that run and those that its autoscaler may add, and whether a trial fits on one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import joblib
import ray
import torch

from tmc_sweep.errors import CannotRunError, command
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.autoscaler import Autoscaler
from tmc_sweep.sweep.packing import Capacity

_HEAD = "node:__internal_head__"  # a resource that only the head has


@dataclass(frozen=True)
class Nodes:
    """What runs, and what may be added."""

    head: Capacity
    workers: tuple[Capacity, ...]
    autoscaler: Autoscaler

    @classmethod
    def of_cluster(cls) -> Self:
        """Of the cluster that Ray is connected to; what may be added is known only on its head."""
        context = ray.get_runtime_context()
        alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
        head = next((name for name, capacity in alive.items() if _HEAD in capacity), "")
        on_head = context.get_node_id() == head
        autoscaler = Autoscaler.here(context.gcs_address.rpartition(":")[2]) if on_head else Autoscaler()
        workers = tuple(capacity for name, capacity in alive.items() if name != head)
        return cls(alive.get(head, {}), workers, autoscaler)

    @property
    def kinds(self) -> list[Capacity]:
        """All that run, and one of each type that may ever be added, once others have gone."""
        types = self.autoscaler.types if self.autoscaler.most > 0 else ()
        return [self.head, *self.workers, *(kind.resources for kind in types if kind.most > 0)]

    @property
    def unjoined(self) -> int:
        """Machines of the cluster's file that do not run yet, where it does not say what they have: one's own."""
        return 0 if self.autoscaler.types else max(0, self.autoscaler.most - len(self.workers))

    def fitting(self, resources: Resources) -> list[Capacity]:
        """Those `at_once`; CannotRunError if none of all kinds could ever hold a trial."""
        check_fits(resources, self.kinds, self.unjoined)
        return self.at_once(resources)

    def at_once(self, resources: Resources) -> list[Capacity]:
        """All that run and may be added to them at once: where not all may, those that hold a trial, largest first."""
        running, may_be = Counter(map(_shape, self.workers)), Counter[_Shape]()
        for kind in self.autoscaler.types:
            may_be[_shape(kind.resources)] += kind.most
        room = self.autoscaler.most - sum(running[shape] for shape in may_be)
        added: list[Capacity] = []
        for shape in sorted(may_be, key=lambda shape: _worth(shape, resources), reverse=True):
            count = max(0, min(may_be[shape] - running[shape], room))
            added += count * [{"CPU": shape.cpu, "GPU": shape.gpu}]
            room -= count
        return [self.head, *self.workers, *added]


def capacity_here() -> Capacity:
    """Its cores and GPUs."""
    return {"CPU": float(joblib.cpu_count()), "GPU": float(torch.cuda.device_count())}


def check_fits(resources: Resources, nodes: Sequence[Capacity], unjoined: int = 0) -> None:
    """CannotRunError if none of the nodes could ever hold a trial; `gpu: auto` needs some GPU where there are any.

    `unjoined`: how many more may come of which nothing is known.
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
    """Whether one of the nodes could ever hold a trial."""
    any_gpu = _any_gpu(resources, nodes)
    return any(_holds(shape, resources) and (shape.gpu or not any_gpu) for shape in map(_shape, nodes))


class _Shape(NamedTuple):
    """What of a node matters to trials."""

    gpu: float
    cpu: float


def _shape(node: Capacity) -> _Shape:
    return _Shape(node.get("GPU", 0), node.get("CPU", 0))


def _holds(shape: _Shape, resources: Resources) -> bool:
    return shape.cpu >= resources.cpu and shape.gpu >= _least_gpu(resources)


def _worth(shape: _Shape, resources: Resources) -> tuple[bool, Sequence[float]]:
    """Trials can run on it, and how many, relative to other shapes."""
    return _holds(shape, resources), shape if resources.gpu else shape[::-1]


def _any_gpu(resources: Resources, nodes: Sequence[Capacity]) -> bool:
    return resources.gpu == "auto" and any(node.get("GPU", 0) for node in nodes)


def _least_gpu(resources: Resources) -> float:
    return 0.0 if resources.gpu == "auto" else float(resources.gpu)
