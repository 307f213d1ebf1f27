"""What a cluster's autoscaler may start, as its own description says: with no worker running, Ray reveals none of it.

Ray's control service has a place for node types, but neither of its two autoscalers fills it. Both are started with a
cluster file, which their command line names; under KubeRay the RayCluster object says it, as it does to them.
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
    """Machines of one kind, and how many of them there may be."""

    resources: Capacity
    most: int


@dataclass(frozen=True)
class Autoscaler:
    """The types of nodes that it may start, and how many there may be of all of them."""

    types: tuple[NodeType, ...] = ()
    most: int = 0
    description: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)  # a cluster file's content

    @classmethod
    def here(cls, gcs_port: str) -> Self:
        """The autoscaler of the cluster whose control service has this port on this machine; one of nothing if none."""
        for described in (*_described_in_files(gcs_port), _described_by_kubernetes()):
            with suppress(AttributeError, KeyError, TypeError, ValueError):
                return cls.of(described)
        return cls()

    @classmethod
    def of(cls, described: Any) -> Self:
        """From a cluster file as read; types that do not say what they have are left out."""
        most = int(described["max_workers"])
        types = {name: kind for name, kind in described["available_node_types"].items() if kind.get("resources")}
        head = described["head_node_type"]
        counted = tuple(_node_type(kind, 0 if name == head else most) for name, kind in types.items())
        return cls(counted, most, described)


def _node_type(kind: Mapping[str, Any], most: int) -> NodeType:
    resources = {name: float(amount) for name, amount in kind["resources"].items()}
    return NodeType(resources, int(kind.get("max_workers", most)))


def _described_in_files(gcs_port: str) -> Iterator[Any]:
    """What the cluster files say that autoscalers of this control service were started with."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, YAMLError):
            options = (process / "cmdline").read_bytes().decode().split("\0") if is_ours(process) else []
            if any(option.startswith("--gcs-address=") and option.endswith(f":{gcs_port}") for option in options):
                files = [Path(option.removeprefix(_OPTION)) for option in options if option.startswith(_OPTION)]
                yield from (YAML(typ="safe").load(input_file.read(file.expanduser(), _MOST_BYTES)) for file in files)


def _described_by_kubernetes() -> Any:
    """The RayCluster object of this pod, which may read it if its cluster has an autoscaler, as a cluster file."""
    name = os.environ.get("RAY_CLUSTER_NAME")
    if not name or not _NAMESPACE.is_file():
        return None
    from tmc_sweep.sweep.ray_internals import ray_cluster

    with suppress(OSError, ValueError):  # also what the client raises
        return ray_cluster(_NAMESPACE.read_text(), name)
    return None
