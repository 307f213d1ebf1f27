"""`ray up cluster/onprem.yaml` and `--cluster`, against a head that is really logged in to over SSH (laptop.py)."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from twin import expected, outcomes, table
from wait import HANGS_SECONDS, wait_until

from tests.cluster.laptop import BIN, Laptop, laptop_of, vanish
from tmc_sweep.data import load as load_data
from tmc_sweep.space.load import parse

pytestmark = pytest.mark.cluster

SPACE = """
name: {name}
base: {{objective: iwae, architecture: {{latents: [12, 4]}}, train_images: 100, test_images: 40, epochs: {epochs}}}
seeds: 1
statistic: {{last: 2}}
resources: {{pack: 1, checkpoint_seconds: 0.2}}
"""


@pytest.fixture(scope="module")
def laptop() -> Iterator[Laptop]:
    with laptop_of("onprem.yaml") as laptop:
        yield laptop


def written(laptop: Laptop, name: str, epochs: int) -> Path:
    file = laptop.folder / f"{name}-{epochs}.yaml"
    file.write_text(SPACE.format(name=name, epochs=epochs))
    return file


def assert_trained(results: Path, file: Path, epochs: int) -> None:
    """The first epochs are to the bit those of the same trials trained here, without Ray."""
    trials = parse(file.read_text(), file.name).trials()
    frame = table(results)
    alone = expected([trial.model_copy(update={"epochs": epochs}) for trial in trials], load_data("digits"))
    pd.testing.assert_frame_equal(outcomes(frame[frame["epoch"] <= epochs]), alone, check_exact=True)


def test_a_sweep_runs_there_and_its_tables_come_back(laptop: Laptop):
    ran = laptop.sweep("run", written(laptop, "small", 3))
    assert ran.stderr.startswith("small is job tmc-sweep-small-1: follow it with `tmc-sweep logs small -f --cluster ")
    assert "1/1 iwae" in ran.stdout
    assert ran.stdout.count("test_objective, last 2 epochs") == 1
    assert len(table(laptop.results / "small")) == 3
    assert_trained(laptop.results / "small", written(laptop, "small", 3), 3)
    status = laptop.run("tmc-sweep", "status", "small").stdout
    assert status.startswith("small: 1 trial (1 done), 3 of 3 epochs")
    assert laptop.sweep("status", "small").stdout.splitlines()[1:] == status.splitlines()[1:]


def test_it_goes_on_without_the_laptop_and_the_same_command_follows_it_again(laptop: Laptop):
    space = written(laptop, "long", 100_000)
    first = laptop.start("tmc-sweep", "run", space, "--cluster", laptop.cluster)
    there = laptop.folder.parent / "head" / "home" / "tmc_sweep_results" / "long"
    wait_until(lambda: there.exists() and len(table(there)))
    vanish(first)
    seen = len(table(there))

    other = laptop.sweep("run", written(laptop, "long", 5), code=75)
    assert "another search space" in other.stderr
    assert f"stop it with `tmc-sweep stop long --cluster {laptop.cluster}`" in other.stderr

    wait_until(lambda: laptop.sweep("pull", "long") and len(table(laptop.results / "long")) > seen)

    again = laptop.start("tmc-sweep", "run", space, "--cluster", laptop.cluster)
    assert again.stderr is not None
    assert again.stderr.readline().startswith("long runs already as job tmc-sweep-long-1:")
    laptop.sweep("stop", "long")
    again.communicate(timeout=HANGS_SECONDS)
    assert again.returncode == 143
    assert_trained(laptop.results / "long", space, 10)


def test_a_sweep_that_is_not_there(laptop: Laptop):
    assert "there is no 'nosuch'" in laptop.sweep("pull", "nosuch", code=2).stderr


def test_a_head_with_another_version_of_ours(laptop: Laptop, request: pytest.FixtureRequest):
    ours = laptop.folder / "venv" / "bin" / "tmc-sweep"
    request.addfinalizer(lambda: (ours.unlink(missing_ok=True), ours.symlink_to(BIN / "tmc-sweep")))
    ours.unlink()
    assert "but has no tmc-sweep: run `ray up " in laptop.sweep("status", code=3).stderr
    ours.write_text("#!/bin/sh\necho tmc-sweep 0.0.1")
    ours.chmod(0o755)
    assert "but has tmc-sweep 0.0.1: run `ray up " in laptop.sweep("status", code=3).stderr


def test_a_key_that_the_head_does_not_know(laptop: Laptop):
    stranger = laptop.folder / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    refused = laptop.with_cluster(ssh_private_key=str(stranger)).sweep("status", code=3)
    assert "must answer over SSH, but" in refused.stderr and "Permission denied (publickey)" in refused.stderr


def test_a_head_that_nobody_reaches(laptop: Laptop):
    closed = laptop.folder / "closed"
    closed.write_text("#!/bin/sh\nexit 1")
    closed.chmod(0o755)
    assert "must answer over SSH, but" in laptop.with_cluster(ssh_proxy_command=str(closed)).sweep("ls", code=3).stderr
