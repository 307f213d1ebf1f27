"""The nodes of the cluster that we have joined, each asked what it has.

An actor on each node runs the probe there. It takes no processor, so that a busy node answers too. What runs there is
sent with it: a node on which our package is missing must be able to say so.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tmc_sweep.cluster.gpu_checks import gpu_checks
from tmc_sweep.cluster.machine import (
    PROBE,
    PROBE_SECONDS,
    Check,
    Machine,
    differences,
    disk_problem,
    gpu_problem,
)
from tmc_sweep.text import gigabytes, last_line

ANSWER_SECONDS = 90.0  # for all nodes together: a new process of Ray and the probe
_CLOCK_SECONDS = 10.0  # for a node to tell its time
_FARTHEST_SECONDS = 2.0  # that a clock may be off
_LOOKS = 3  # at each clock: the quickest answer counts


class Node(NamedTuple):
    """A living node, and its answer."""

    name: str  # head or node, and its address
    gpus: float  # how many Ray offers there
    machine: Machine | None  # None: it did not answer
    clock: float  # seconds by which its clock is at least ahead of ours; negative: behind
    silence: str  # why it did not answer


def check_nodes(driver: Machine) -> Iterator[Check]:
    """One line for each node that is as it should be, and one for each thing that is not."""
    for node in ask_nodes():
        problems = list(_problems(node, driver))
        for found, fix in problems:
            yield Check(False, node.name, found, fix)
        if node.machine and not problems:
            free = gigabytes(node.machine.free_bytes)
            yield Check(True, node.name, f"{node.machine.gpu_words}; {free} free; versions and clock as here")


def ask_nodes() -> list[Node]:
    """Each living node with its answer, or why there is none; takes little longer than ANSWER_SECONDS."""
    alive = sorted((node for node in ray.nodes() if node["Alive"]), key=_name)
    actors = [_actor_on(node["NodeID"]) for node in alive]
    asked = [actor.probe.remote(PROBE, PROBE_SECONDS) for actor in actors]
    ray.wait(asked, num_returns=len(asked), timeout=ANSWER_SECONDS)
    try:
        return [_answer(node, *pair) for node, pair in zip(alive, zip(actors, asked, strict=True), strict=True)]
    finally:
        for actor in actors:
            ray.kill(actor)


def _problems(node: Node, driver: Machine) -> Iterator[tuple[str, str]]:
    machine = node.machine
    if machine is None:
        yield node.silence, f"see that it runs Python and Ray as here ({driver.python}, {driver.versions['ray']})"
        return
    yield from differences(machine, driver)
    yield from filter(
        None, [gpu_problem(machine), disk_problem(machine.temporary, machine.free_bytes, machine.disk_bytes)]
    )
    yield from ((check.found, check.fix) for check in gpu_checks(machine) if not check.ok)
    if node.gpus > len(machine.gpus) and not gpu_problem(machine):
        yield (
            f"offers {node.gpus:g} GPUs to Ray, but torch sees {len(machine.gpus)} ({machine.gpu_problem})",
            "start Ray there with as many as it has",
        )
    if abs(node.clock) > _FARTHEST_SECONDS:
        side = "ahead of" if node.clock > 0 else "behind"
        yield f"its clock is {abs(node.clock):.0f} s {side} ours", "run `sudo timedatectl set-ntp true` there"


def _answer(node: dict[str, Any], actor: Any, asked: Any) -> Node:
    name, gpus = _name(node), node["Resources"].get("GPU", 0.0)
    try:
        machine = Machine.parse(ray.get(asked, timeout=0.1))
        return Node(name, gpus, machine, _clock_ahead(actor), "")
    except (RayError, ValueError, IndexError, TypeError) as error:
        late = isinstance(error, ray.exceptions.GetTimeoutError)
        said = last_line(error) or type(error).__name__
        why = f"does not answer within {ANSWER_SECONDS:g} s" if late else f"cannot be looked at ({said})"
        return Node(name, gpus, None, 0.0, why)


def _name(node: dict[str, Any]) -> str:
    return f"{'head' if 'node:__internal_head__' in node['Resources'] else 'node'} {node['NodeManagerAddress']}"


def _clock_ahead(actor: Any) -> float:
    """By how many seconds the node's clock is at least ahead of ours, negative if behind.

    The time that asking takes is unknown to either side: within it the two clocks may be equal, and this is 0.
    """
    looks: list[tuple[float, float]] = []
    for _ in range(_LOOKS):
        before = time.time()
        there: float = ray.get(actor.clock.remote(), timeout=_CLOCK_SECONDS)
        after = time.time()
        looks.append((after - before, max(there - after, 0.0) + min(there - before, 0.0)))
    return min(looks)[1]


def _actor_on(node_id: str) -> Any:
    """An actor pinned to the node. Its class is defined in here, so that Ray sends the class and not its name."""

    class Onlooker:
        def probe(self, source: str, seconds: float) -> str:
            import os
            import subprocess
            import sys

            environment = {name: value for name, value in os.environ.items() if value or name != "CUDA_VISIBLE_DEVICES"}
            return subprocess.run(
                [sys.executable, "-"],
                input=source,
                stdout=subprocess.PIPE,
                env=environment,
                cwd="/",
                text=True,
                timeout=seconds,
                check=True,
            ).stdout

        def clock(self) -> float:
            import time

            return time.time()

    pinned = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(Onlooker).options(num_cpus=0, max_restarts=0, scheduling_strategy=pinned).remote()
