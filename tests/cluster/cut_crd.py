"""KubeRay's schema of a RayCluster, cut to the fields that cluster/kuberay.yaml uses: 3 kB in place of 900.

Generates the tests' schema again, from a checkout of ray-project/kuberay:
    python -m tests.cluster.cut_crd helm-chart/kuberay-operator/crds/ray.io_rayclusters.yaml v1.7.0

A field that the operator does not know stops it here; one that is added to the file and not cut in fails the test.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.cluster.files import kubernetes

SCHEMA = Path(__file__).with_name("raycluster.schema.json")


def cut(schema: dict[str, Any], used: list[Any]) -> dict[str, Any]:
    """The schema without prose and without the properties that none of the values has. KeyError at an unknown one."""
    kept = {name: value for name, value in schema.items() if name not in ("description", "properties", "items")}
    if "items" in schema:
        kept["items"] = cut(schema["items"], [item for value in used for item in value])
    if "properties" in schema:
        names = dict.fromkeys(name for value in used for name in value)
        kept["additionalProperties"] = False
        kept["properties"] = {
            name: cut(schema["properties"][name], [value[name] for value in used if name in value]) for name in names
        }
    return kept


def main(file: str, version: str) -> None:
    crd = YAML(typ="safe").load(Path(file))
    (schema,) = (entry["schema"]["openAPIV3Schema"] for entry in crd["spec"]["versions"] if entry["name"] == "v1")
    source = f"ray-project/kuberay {version}, {crd['metadata']['name']}, Apache-2.0; cut by tests/cluster/cut_crd.py"
    text = json.dumps({"$comment": source, **cut(schema, [kubernetes()["RayCluster"]])}, indent=1)
    SCHEMA.write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
