"""Ray's AWS provider driven by cluster/gpu.yaml against moto, on 127.0.0.1 alone; prints what came to be, as JSON.

A program of its own: it writes a key into its HOME, and cuts this process off from every other address and from ssh.
"""

import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FAKE = "testing"
CAPACITY = "InsufficientInstanceCapacity"


def stay_here() -> None:
    """ConnectionRefusedError for any address but this machine's own, before anything is sent."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] != "127.0.0.1":
            raise ConnectionRefusedError(f"not 127.0.0.1: {address}")
        connect(self, address)

    socket.socket.connect = guarded


def main(file: Path) -> dict[str, Any]:
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # those that Ray gives to the head
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:{1}".format(*server.get_host_and_port())
    try:
        return drive(file)
    finally:
        server.stop()


def drive(file: Path) -> dict[str, Any]:
    import boto3
    from ray.autoscaler._private import commands
    from ray.autoscaler._private.aws import config as aws
    from ray.autoscaler._private.aws import node_provider
    from ray.autoscaler._private.providers import _get_node_provider
    from ruamel.yaml import YAML

    config = YAML(typ="safe").load(file)
    ec2 = boto3.client("ec2", config["provider"]["region"])
    assert ec2.meta.endpoint_url == os.environ["AWS_ENDPOINT_URL"]
    assert ec2._get_credentials().access_key == FAKE
    for kind in config["available_node_types"].values():
        kind["node_config"]["ImageId"] = "ami-12c6146b"
    aws.time = SimpleNamespace(sleep=lambda seconds: None)  # it would wait half a minute for IAM to spread
    types = [kind["node_config"]["InstanceType"] for kind in config["available_node_types"].values()]
    node_provider.list_ec2_instances = lambda *_: ec2.describe_instance_types(InstanceTypes=types)["InstanceTypes"]
    config = commands._bootstrap_config(config, no_config_cache=True)
    provider = _get_node_provider(config["provider"], config["cluster_name"])
    return {
        "endpoint": ec2.meta.endpoint_url,
        "iam": iam(config["head_node"]["IamInstanceProfile"]["Arn"]),
        "key": key(ec2, config),
        "groups": groups(ec2, config),
        "head": started(ec2, provider, {**node_config(config, "head"), **config["head_node"]}),
        "workers": {name: started(ec2, provider, node_config(config, name)) for name in ("gpu_spot", "gpu_on_demand")},
        "left_after_termination": left_after_termination(ec2, provider),
        "asked": asked(config, provider),
    }


def node_config(config: dict[str, Any], name: str) -> dict[str, Any]:
    return config["available_node_types"][name]["node_config"]


def iam(arn: str) -> dict[str, Any]:
    import boto3

    client = boto3.client("iam", "us-east-1")
    (profile,) = client.list_instance_profiles()["InstanceProfiles"]
    (role,) = profile["Roles"]
    policies = client.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert profile["Arn"] == arn
    return {"role": role["RoleName"], "policies": sorted(policy["PolicyName"] for policy in policies)}


def key(ec2: Any, config: dict[str, Any]) -> dict[str, Any]:
    (pair,) = ec2.describe_key_pairs()["KeyPairs"]
    file = Path(config["auth"]["ssh_private_key"])
    return {"name": pair["KeyName"], "file": str(file), "mode": oct(file.stat().st_mode & 0o777)}


def groups(ec2: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Each node type's security group, and what that lets in."""
    names = {name: node_config(config, name)["SecurityGroupIds"] for name in config["available_node_types"]}
    (group,) = ec2.describe_security_groups(GroupIds=names["head"])["SecurityGroups"]
    return {"of": names, "id": group["GroupId"], "name": group["GroupName"], "lets_in": group["IpPermissions"]}


def started(ec2: Any, provider: Any, node: dict[str, Any]) -> dict[str, Any]:
    """One node as the provider makes it, described by EC2."""
    (name,) = provider.create_node(node, {"ray-node-type": "worker", "ray-launch-config": "-"}, 1)
    (reservation,) = ec2.describe_instances(InstanceIds=[name])["Reservations"]
    (instance,) = reservation["Instances"]
    (disk,) = instance["BlockDeviceMappings"]
    (volume,) = ec2.describe_volumes(VolumeIds=[disk["Ebs"]["VolumeId"]])["Volumes"]
    return {
        "type": instance["InstanceType"],
        "market": instance.get("InstanceLifecycle", "on-demand"),
        "profile": "IamInstanceProfile" in instance,
        "key": instance["KeyName"],
        "groups": [group["GroupId"] for group in instance["SecurityGroups"]],
        "disk": [volume["Size"], volume["VolumeType"]],
    }


def left_after_termination(ec2: Any, provider: Any) -> list[str]:
    nodes = provider.non_terminated_nodes({})
    assert len(nodes) == 3
    provider.terminate_nodes(nodes)
    states = [i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    assert set(states) == {"terminated"}
    return provider.non_terminated_nodes({})


def asked(config: dict[str, Any], provider: Any) -> list[str]:
    """Node types that the head's autoscaler asks for, one after the other, where AWS has no spot machine to give."""
    from botocore.exceptions import ClientError
    from ray.autoscaler._private.event_summarizer import EventSummarizer
    from ray.autoscaler._private.node_launcher import BaseNodeLauncher
    from ray.autoscaler._private.node_provider_availability_tracker import NodeProviderAvailabilityTracker
    from ray.autoscaler._private.resource_demand_scheduler import ResourceDemandScheduler
    from ray.autoscaler._private.util import ConcurrentCounter

    create = provider.ec2_fail_fast.create_instances

    def refuse_spot(**node: Any) -> Any:
        if "InstanceMarketOptions" in node:
            raise ClientError({"Error": {"Code": CAPACITY, "Message": "none left"}}, "RunInstances")
        return create(**node)

    provider.ec2_fail_fast.create_instances = refuse_spot
    types = config["available_node_types"]
    seen = NodeProviderAvailabilityTracker()
    pending = ConcurrentCounter()
    launcher = BaseNodeLauncher(provider, pending, EventSummarizer(), seen, node_types=types)
    scheduler = ResourceDemandScheduler(provider, types, config["max_workers"], "head", config["upscaling_speed"])
    names = []
    for _ in range(2):
        wanted, _ = scheduler.get_nodes_to_launch([], {}, [{"CPU": 1, "GPU": 0.25}], {}, [], {}, [], seen.summary())
        ((name, count),) = [(name, count) for name, count in wanted.items() if name != "head"]
        pending.inc(name, count)
        launcher.launch_node(config, count, name)
        names.append(name)
    return names


if __name__ == "__main__":
    stay_here()
    with contextlib.redirect_stdout(sys.stderr):
        found = main(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(found))
