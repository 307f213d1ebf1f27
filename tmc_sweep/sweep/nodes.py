"""The nodes of the cluster that Ray is connected to: those that run, and those that its autoscaler may add."""

from collections import Counter
from dataclasses import dataclass
from typing import Self

from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.autoscaler import Autoscaler
from tmc_sweep.sweep.capacity import Capacity, Shape, check_fits, shape_of, worth

_HEAD = "node:__internal_head__"  # a resource that only the head has


@dataclass(frozen=True)
class Nodes:
    """The head and the workers of a cluster, and its autoscaler."""

    head: Capacity
    workers: tuple[Capacity, ...]  # that run
    autoscaler: Autoscaler  # one that starts nothing if there is none, or it cannot be known

    @classmethod
    def of_cluster(cls) -> Self:
        """The nodes of the cluster that Ray is connected to; what may be added is known only on its head."""
        import ray

        context = ray.get_runtime_context()
        alive = {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
        head = next((name for name, capacity in alive.items() if _HEAD in capacity), "")
        on_head = context.get_node_id() == head
        autoscaler = Autoscaler.here(context.gcs_address.rpartition(":")[2]) if on_head else Autoscaler()
        workers = tuple(capacity for name, capacity in alive.items() if name != head)
        return cls(alive.get(head, {}), workers, autoscaler)

    @property
    def kinds(self) -> list[Capacity]:
        """All nodes that run, and one of each type that may ever be added, if only once others have gone."""
        types = self.autoscaler.types if self.autoscaler.most > 0 else ()
        return [self.head, *self.workers, *(kind.resources for kind in types if kind.most > 0)]

    @property
    def unjoined(self) -> int:
        """How many machines of the cluster's file do not run yet, if it does not say what they have.

        A file for one's own machines does not say it.
        """
        return 0 if self.autoscaler.types else max(0, self.autoscaler.most - len(self.workers))

    def fitting(self, resources: Resources) -> list[Capacity]:
        """As `at_once`; CannotRunError if no node, of whichever kind, could ever hold a trial."""
        check_fits(resources, self.kinds, self.unjoined)
        return self.at_once(resources)

    def at_once(self, resources: Resources) -> list[Capacity]:
        """All nodes that run, and those that may be added to them at the same time.

        If not all types can be added up to their limits, those come first that hold a trial, the largest before others.
        """
        running, may_be = Counter(map(shape_of, self.workers)), Counter[Shape]()
        for kind in self.autoscaler.types:
            may_be[shape_of(kind.resources)] += kind.most
        room = self.autoscaler.most - sum(running[shape] for shape in may_be)
        added: list[Capacity] = []
        for shape in sorted(may_be, key=lambda shape: worth(shape, resources), reverse=True):
            count = max(0, min(may_be[shape] - running[shape], room))
            added += count * [{"CPU": shape.cpu, "GPU": shape.gpu}]
            room -= count
        return [self.head, *self.workers, *added]
