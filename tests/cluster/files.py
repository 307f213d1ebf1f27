"""The shipped cluster files, as read."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CLUSTER = Path(__file__).parents[2] / "cluster"
RAY_UP = ("gpu.yaml", "gcp.yaml", "onprem.yaml")  # those that `ray up` takes
CLOUD = ("gpu.yaml", "gcp.yaml")


def load(name: str) -> dict[str, Any]:
    """A file of `ray up`."""
    return YAML(typ="safe").load(CLUSTER / name)


def kubernetes() -> dict[str, dict[str, Any]]:
    """The objects of kuberay.yaml, by kind."""
    return {entry["kind"]: entry for entry in YAML(typ="safe").load_all(CLUSTER / "kuberay.yaml")}


def starts(config: dict[str, Any]) -> tuple[str, str]:
    """The two commands that start Ray, on the head and on a worker."""
    head, worker = (
        [command for command in config[f"{kind}_start_ray_commands"] if "ray start" in command]
        for kind in ("head", "worker")
    )
    return (*head, *worker)
