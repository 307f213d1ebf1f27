"""What a cluster's autoscaler may start: the types of nodes, what each has, and how many there may be.

While no worker runs, Ray's API reveals none of it: the control service has a place for node types, but neither of Ray's
two autoscalers fills it. So this is read where the autoscalers read it: in the cluster file that their command line
names or, under KubeRay, in the RayCluster object. Both can be read on the head only.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tmc_sweep import input_file
from tmc_sweep.sweep.capacity import Capacity
from tmc_sweep.sweep.trust import is_ours

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_MOST_BYTES = 2**20  # of a cluster file
_OPTION = "--autoscaling-config="


@dataclass(frozen=True)
class NodeType:
    """A type of node: what one has, and how many there may be at most."""

    resources: Capacity
    most: int


@dataclass(frozen=True)
class Autoscaler:
    """The types of nodes that an autoscaler may start, and how many workers there may be in all."""

    types: tuple[NodeType, ...] = ()
    most: int = 0
    description: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)  # the cluster file, as read

    @classmethod
    def here(cls, gcs_port: str) -> Self:
        """The autoscaler of the cluster whose control service has this port here; one that starts nothing if none."""
        for described in (*_described_in_files(gcs_port), _described_by_kubernetes()):
            with suppress(AttributeError, KeyError, TypeError, ValueError):
                return cls.of(described)
        return cls()

    @classmethod
    def of(cls, described: Any) -> Self:
        """The autoscaler that a cluster file describes; node types that do not say what they have are left out.

        AttributeError, KeyError, TypeError or ValueError if it is no such file.
        """
        most = int(described["max_workers"])
        types = {name: kind for name, kind in described["available_node_types"].items() if kind.get("resources")}
        head = described["head_node_type"]
        counted = tuple(_node_type(kind, 0 if name == head else most) for name, kind in types.items())
        return cls(counted, most, described)


def _node_type(kind: Mapping[str, Any], most: int) -> NodeType:
    resources = {name: float(amount) for name, amount in kind["resources"].items()}
    return NodeType(resources, int(kind.get("max_workers", most)))


def _described_in_files(gcs_port: str) -> Iterator[Any]:
    """The cluster files with which the autoscalers of this control service were started, as read."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, YAMLError):
            options = (process / "cmdline").read_bytes().decode().split("\0") if is_ours(process) else []
            if any(option.startswith("--gcs-address=") and option.endswith(f":{gcs_port}") for option in options):
                files = [Path(option.removeprefix(_OPTION)) for option in options if option.startswith(_OPTION)]
                yield from (YAML(typ="safe").load(input_file.read(file.expanduser(), _MOST_BYTES)) for file in files)


def _described_by_kubernetes() -> Any:
    """The RayCluster object of this pod in the form of a cluster file; None outside of KubeRay or if refused."""
    name = os.environ.get("RAY_CLUSTER_NAME")
    if not name or not _NAMESPACE.is_file():
        return None
    from tmc_sweep.sweep.ray_internals import ray_cluster

    with suppress(OSError, ValueError):  # also what the client raises
        return ray_cluster(_NAMESPACE.read_text(), name)
    return None
