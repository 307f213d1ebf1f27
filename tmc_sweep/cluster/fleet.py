"""The machines that a sweep may train on, and what they cost an hour, for `tmc-sweep plan`.

Prices are those that the cluster file itself states: by node type under `metadata.price_per_hour`, with
`metadata.currency`. Ray does not read `metadata`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from tmc_sweep.cluster.cluster_file import documents
from tmc_sweep.errors import InputError
from tmc_sweep.explain import did_you_mean
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.address import cluster_address
from tmc_sweep.sweep.autoscaler import Autoscaler
from tmc_sweep.sweep.capacity import Capacity, any_fits, capacity_here, check_fits, room
from tmc_sweep.sweep.nodes import Nodes


class PriceRange(NamedTuple):
    """The least and the most that something costs."""

    low: float
    high: float


@dataclass(frozen=True)
class Prices:
    """What an hour of one machine costs."""

    currency: str  # "" if the file does not say
    head: float
    workers: Mapping[tuple[float, float], PriceRange]  # by (CPUs, GPUs): types of one size may differ, such as spot

    @classmethod
    def of(cls, described: Mapping[str, Any], source: str) -> Self | None:
        """The prices in a cluster file, as read; None if it states none.

        InputError, which names `source`, if a node type lacks a price or something else has one.
        """
        metadata = described.get("metadata")
        if not isinstance(metadata, dict) or (prices := metadata.get("price_per_hour")) is None:
            return None
        types, head = described["available_node_types"], described["head_node_type"]
        if wrong := _wrong(prices, types):
            raise InputError(
                f"{source}: metadata.price_per_hour must have a price for each node type and nothing else, but "
                f"{wrong.rstrip('?')}: write, for example, {{{', '.join(f'{name}: 0.5' for name in types)}}}"
            )
        of_size: dict[tuple[float, float], list[float]] = {}
        for name, kind in types.items():
            if kind.get("max_workers", name != head):  # there may be workers of this type
                of_size.setdefault(_size(kind.get("resources") or {}), []).append(float(prices[name]))
        workers = {size: PriceRange(min(found), max(found)) for size, found in of_size.items()}
        return cls(str(metadata.get("currency", "")), float(prices[head]), workers)


@dataclass(frozen=True)
class Fleet:
    """The machines of a run: those that run, and those that may be added, the largest first."""

    nodes: Sequence[Capacity]  # of a cluster, its head first
    prices: Prices | None = None  # None: not known
    here: bool = False  # whether it is this machine alone

    @classmethod
    def of_run(cls, resources: Resources) -> Self:
        """The machines that `run` would train on now: the cluster that it would join, else this machine.

        CannotRunError if no cluster answers where one should, or no machine could hold a trial.
        """
        if address := cluster_address():
            from tmc_sweep.sweep.session import joined

            with joined(address):
                return cls._of(Nodes.of_cluster(), resources, "the cluster's file")
        check_fits(resources, [capacity_here()])
        return cls([capacity_here()], here=True)

    @classmethod
    def unnamed(cls, resources: Resources) -> Self:
        """Machines of which nothing is known, as where a user says how many packs train at once.

        They are taken to be like this one; `here` says whether this one could hold a trial.
        """
        here = [capacity_here()]
        return cls(here, here=any_fits(resources, here))

    @classmethod
    def of_file(cls, file: Path, resources: Resources) -> Self:
        """The machines of a file of `ray up`, whether its cluster is up or not.

        InputError if it does not say what they have, CannotRunError if none of them could hold a trial.
        """
        match documents(file, "--on"):
            case [{"available_node_types": dict(types), "head_node_type": str(head)} as described] if head in types:
                described.setdefault("max_workers", 2)  # as Ray does
                return cls._of(_nodes(types, head, described, file), resources, str(file))
        raise InputError(
            f"--on must be a file of `ray up` with available_node_types, but {file} has none: "
            "say how many packs train at once with --slots"
        )

    @classmethod
    def _of(cls, nodes: Nodes, resources: Resources, source: str) -> Self:
        fitting, described = nodes.fitting(resources), nodes.autoscaler.description
        return cls(fitting, Prices.of(described, source) if described else None)

    def hourly(self, n_packs: int, cpu: float, gpu: float) -> PriceRange | None:
        """What an hour costs of the head and of as many workers as hold this many packs at once.

        `cpu` cores and `gpu` of a GPU are what one pack gets. None if the price of one of them is not known.
        """
        if self.prices is None:
            return None
        low = high = self.prices.head
        n_packs -= room(self.nodes[0], cpu, gpu)
        for node in self.nodes[1:]:
            if n_packs <= 0:
                break
            n_packs -= room(node, cpu, gpu)
            if (price := self.prices.workers.get(_size(node))) is None:
                return None
            low, high = low + price.low, high + price.high
        return PriceRange(low, high)


def _nodes(types: Mapping[str, Any], head: str, described: Mapping[str, Any], file: Path) -> Nodes:
    try:
        if silent := [name for name, kind in types.items() if not kind.get("resources")]:
            raise InputError(
                f"{file} must say what its machines have, but {silent[0]} has no resources: "
                "write them there, or say how many packs train at once with --slots"
            )
        return Nodes(_capacity(types[head]["resources"]), (), Autoscaler.of(described))
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{file} must have numbers for max_workers and in the resources of each node type, but {error}: correct it"
        ) from None


def _capacity(resources: Mapping[str, Any]) -> Capacity:
    return {name: float(amount) for name, amount in resources.items()}


def _size(resources: Mapping[str, Any]) -> tuple[float, float]:
    return float(resources.get("CPU", 0)), float(resources.get("GPU", 0))


def _wrong(prices: object, types: Mapping[str, Any]) -> str | None:
    if not isinstance(prices, dict):
        return f"is {prices!r:.80}"
    if strange := [name for name in prices if name not in types]:
        return f"has {strange[0]!r:.80}{did_you_mean(str(strange[0]), types)}"
    if missing := [name for name in types if name not in prices]:
        return f"lacks {missing[0]}"
    return next((f"has {value!r:.80} for {name}" for name, value in prices.items() if not _is_price(value)), None)


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
