"""Which node type Ray's autoscaler starts next: of equal ones not the one that the cloud has just refused.

Ray's own scorer does not look at what was refused, so a cluster file that lists spot machines first waits for one for
ever. `cluster/gpu.yaml` names `score` in RAY_AUTOSCALER_UTILIZATION_SCORER, on the head.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ray.autoscaler._private.node_provider_availability_tracker import NodeAvailabilitySummary
from ray.autoscaler._private.resource_demand_scheduler import _default_utilization_scorer


def score(
    node_resources: Mapping[str, float],
    resources: Sequence[Mapping[str, float]],
    node_type: str,
    *,
    node_availability_summary: NodeAvailabilitySummary,
) -> tuple[Any, ...] | None:
    """Ray's score of a node type for the waiting requests, then whether its last launch (of 30 min) worked.

    None if it fits none of them. The highest score is started, the last name among equals.
    """
    own = _default_utilization_scorer(
        node_resources, resources, node_type, node_availability_summary=node_availability_summary
    )
    last_launch = node_availability_summary.node_availabilities.get(node_type)
    return None if own is None else (*own, last_launch is None or last_launch.is_available)
