"""What a run would train, for how long and for how much."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from command import command
from ruamel.yaml import YAML

from benchmarks.curves import curve, named
from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost
from tmc_sweep.paths import SweepPaths
from tmc_sweep.space import load
from tmc_sweep.statistics.pace import recorded_paces
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import open_manifest
from tmc_sweep.store.trials import TrialTable
from tmc_sweep.training import probe

CLUSTER = """cluster_name: mine
provider: {type: aws, region: us-west-2}
auth: {ssh_user: ubuntu}
max_workers: 3
head_node_type: head
available_node_types:
  head: {resources: {CPU: 0}, node_config: {}}
  spot: {max_workers: 3, resources: {CPU: 8, GPU: 1}, node_config: {}}
  sure: {max_workers: 3, resources: {CPU: 8, GPU: 1}, node_config: {}}
"""
PRICES = "metadata: {currency: EUR, price_per_hour: {head: 0.5, spot: 1, sure: 3}}\n"


@pytest.fixture(autouse=True)
def two_idle_cores(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A machine on which nothing was measured before."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr("tmc_sweep.cluster.fleet.capacity_here", lambda: {"CPU": 2.0, "GPU": 0.0})


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A cluster file with prices."""
    file = tmp_path / "cluster.yaml"
    file.write_text(CLUSTER + PRICES)
    return file


@pytest.fixture
def head(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As on the head of that cluster, of which nothing else runs; the ports of which its file was read."""

    class Context:
        gcs_address = "10.0.0.1:6379"

        def get_node_id(self) -> str:
            return "head"

    def described(port: str) -> list[object]:
        read.append(port)
        return [YAML(typ="safe").load(cluster)]

    read: list[str] = []
    here = {"NodeID": "head", "Alive": True, "Resources": {"CPU": 0.0, "node:__internal_head__": 1.0}}
    monkeypatch.setattr("tmc_sweep.cluster.fleet.cluster_address", lambda: Context.gcs_address)
    monkeypatch.setattr("tmc_sweep.sweep.session.joined", nullcontext)
    monkeypatch.setattr("ray.nodes", lambda: [here])
    monkeypatch.setattr("ray.get_runtime_context", Context)
    monkeypatch.setattr("tmc_sweep.sweep.autoscaler._described_in_files", described)
    return read


@pytest.fixture
def paths(tmp_path: Path) -> SweepPaths:
    return SweepPaths(tmp_path / "results", "tiny")


def measured(config: TrialConfig, members: int, *_: object) -> Cost:
    """Packs gain a lot; evaluating a batch takes a tenth of a step."""
    seconds = 1.0 + 0.01 * members
    return Cost(seconds, seconds / 10)


def test_plan_counts_parameters_without_reading_the_data(file, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tmc_sweep.images.load", lambda *_: pytest.fail("the data was read"))
    path = tmp_path / "mnist.yaml"
    path.write_text(
        "{name: mnist, base: {data: mnist}, space: {architecture: {grid_search: [small, large]}}, seeds: 3}"
    )
    plan = command("plan", path, "--results", tmp_path, "--json").json
    assert [plan[name] for name in ("name", "n_trials", "n_cells", "n_to_train")] == ["mnist", 6, 2, 6]
    assert [(cell["architecture"], cell["n_parameters"]) for cell in plan["cells"]] == [
        ("small", 295_672),
        ("large", 1_007_368),
    ]
    assert {trial["status"] for trial in plan["trials"]} == {"pending"}
    assert [path.name for path in tmp_path.iterdir()] == ["mnist.yaml"]  # it leaves nothing behind
    text = command("plan", path, "--results", tmp_path).out
    assert text.startswith("mnist: 6 trials in 2 cells, 6 to train")
    assert "1007368" in text


@pytest.mark.parametrize(
    ("change", "to_train"),
    [
        (("seeds: 2", "seeds: 2"), 0),
        (("seeds: 2", "seeds: 3"), 2),
        (("epochs: 4", "epochs: 5"), 2),  # those that diverged are not trained again
        (("epochs: 4", "epochs: 3"), 0),
        (("[1e-3, 10]", "[1e-3, 10, 1e-2]"), 2),
        (("objective: iwae", "objective: tmc"), 4),
    ],
)
def test_plan_tells_what_run_would_train(file, results: Path, change: tuple[str, str], to_train: int):
    assert command("plan", file(change), "--results", results, "--json").json["n_to_train"] == to_train


def test_plan_tells_how_long_the_rest_takes_from_the_epochs_that_are_there(file, results: Path):
    more = file(("epochs: 4", "epochs: 10"), ("[1e-3, 10]", "[1e-3, 1e-2]"))
    plan = command("plan", more, "--results", results, "--slots", 3, "--json").json
    known, unknown = plan["cells"]
    seconds = recorded_paces(SweepPaths(results, "tiny"))[known["cell_id"]].mean
    assert (known["epochs_left"], known["epoch_seconds"]) == (12, pytest.approx(seconds))
    assert (unknown["epochs_left"], unknown["epoch_seconds"]) == (20, None)
    time = plan["time"]
    assert (time["slots"], time["epochs_left"], time["unmeasured_epochs"]) == (3, 32, 20)
    assert time["wall_seconds"]["low"] < time["wall_seconds"]["about"] < time["wall_seconds"]["high"]
    head, *_, line = command("plan", more, "--results", results, "--slots", 3).out.splitlines()
    assert head == "tiny: 4 trials in 2 cells, 4 to train (2 of them begun)"
    assert line.startswith("32 epochs left: about ")
    assert line.endswith(
        "trainer-hours, as measured on cpu; 20 of them in cells not measured yet, taken to be as the others"
    )


def test_plan_says_where_no_time_is_known_and_nothing_where_nothing_is_left(file, results: Path, tmp_path: Path):
    lines = command("plan", file(), "--results", tmp_path).out.splitlines()
    assert lines[-1] == (
        "16 epochs left: how long they take is unknown, no epoch of this sweep is measured yet; "
        "on this machine --probe measures steps"
    )
    time = command("plan", file(), "--results", tmp_path, "--json").json["time"]
    assert (time["trainer_hours"], time["wall_seconds"], time["unmeasured_epochs"]) == (None, None, 16)
    assert " left" not in command("plan", file(), "--results", results).out.splitlines()[-1]


def test_what_was_never_trained_is_measured_on_request_and_then_remembered(file, tmp_path: Path, monkeypatch):
    path = file(("[1e-3, 10]", "[1e-4, 1e-3, 1e-2]"))  # 6 trials of one shape, on two cores
    unknown = command("plan", path, "--results", tmp_path, "--json").json
    assert (unknown["n_packs"], unknown["cells"][0]["epoch_seconds"]) == (None, None)
    monkeypatch.setattr(probe, "measure", measured)
    plan = command("plan", path, "--results", tmp_path, "--probe", "--json").json
    assert plan["n_packs"] == 2
    steps, batches = 13, 5  # 100 and 40 images in batches of 8
    seconds = (steps + batches / 10) * 1.03
    assert [cell["epoch_seconds"] for cell in plan["cells"]] == [pytest.approx(seconds / 3)] * 3
    assert plan["time"]["wall_seconds"]["about"] == pytest.approx(4 * seconds)
    assert (plan["time"]["measured_on"], plan["time"]["unmeasured_epochs"]) == (["this machine"], 0)
    monkeypatch.setattr(probe, "measure", lambda *_: pytest.fail("measured again"))
    assert command("plan", path, "--results", tmp_path, "--json").json == plan


def test_what_does_not_fit_into_this_machine_takes_unknown_time_and_is_named(file, tmp_path: Path, monkeypatch):
    def limited(config: TrialConfig, *rest: object) -> Cost:
        if config.K == 9999:
            raise MemoryError
        return measured(config, *rest)

    monkeypatch.setattr(probe, "measure", limited)
    path = file(("lr: {grid_search: [1e-3, 10]}", "K: {grid_search: [2, 9999]}"))
    asked = ("plan", path, "--results", tmp_path, "--probe")
    plan = command(*asked, "--json").json
    assert [cell["epoch_seconds"] is None for cell in plan["cells"]] == [False, True]
    assert (plan["n_cells_too_large"], plan["time"]["unmeasured_epochs"]) == (1, 8)
    assert command(*asked).out.splitlines()[-1] == (
        "a pack must fit into this machine's memory, but those of 1 cell do not: "
        "lower K, batch_size or resources.pack, or train on a machine with more"
    )
    file(("lr: {grid_search: [1e-3, 10]}", "K: {grid_search: [2, 3]}"))
    assert command(*asked, "--json").json["n_cells_too_large"] == 0
    lone = command("plan", file(("batch_size: 8", "batch_size: 8\n  K: 9999")), "--results", tmp_path, "--probe")
    assert (lone.code, "is unknown" in lone.out) == (0, True)


def test_measuring_leaves_torch_as_it_was(file, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(probe, "measure", lambda *_: Cost(float(torch.get_num_threads()), 0.0))
    asked = ("--results", tmp_path, "--set", "resources.cpu=2", "--set", "resources.pack=1", "--probe", "--json")
    before = torch.get_num_threads()
    cell = command("plan", file(), *asked).json["cells"][0]
    assert (torch.get_num_threads(), cell["epoch_seconds"]) == (before, 13 * 2)


def test_seconds_on_record_count_before_those_of_a_few_steps(file, results: Path, monkeypatch):
    monkeypatch.setattr(probe, "measure", measured)
    more = file(("epochs: 4", "epochs: 10"), ("[1e-3, 10]", "[1e-3, 1e-2]"))
    known, probed = command("plan", more, "--results", results, "--probe", "--json").json["cells"]
    seconds = recorded_paces(SweepPaths(results, "tiny"))[known["cell_id"]].mean
    assert known["epoch_seconds"] == pytest.approx(seconds)
    assert probed["epoch_seconds"] > 5
    assert (known["peak_memory_bytes"] > 2**20, probed["peak_memory_bytes"]) == (True, None)
    shown = command("plan", more, "--results", results).out
    assert "peak_memory_mib" in shown.splitlines()[1]
    assert ", as measured on cpu, this machine" in shown


def test_only_those_are_named_whose_seconds_count(file, results: Path, monkeypatch):
    monkeypatch.setattr(probe, "measure", measured)
    known = ("plan", file(("epochs: 4", "epochs: 10"), ("[1e-3, 10]", "[1e-3]")), "--results", results, "--probe")
    assert command(*known, "--json").json["time"]["measured_on"] == ["cpu"]


def test_a_cluster_file_says_how_many_train_at_once_and_what_it_costs(file, results: Path, cluster: Path):
    asked = (file(("epochs: 4", "epochs: 10"), ("seeds: 2", "seeds: 6")), "--results", results, "--on", cluster)
    plan = command("plan", *asked, "--set", "resources.gpu=0.5", "--set", "resources.pack=1", "--json").json
    time, cost = plan["time"], plan["cost"]
    assert (plan["n_packs"], time["slots"], time["measured_on"]) == (10, 6, ["cpu"])
    assert (cost["currency"], cost["hour_low"], cost["hour_high"]) == ("EUR", 0.5 + 3 * 1, 0.5 + 3 * 3)
    hours = {name: seconds / 3600 for name, seconds in time["wall_seconds"].items()}
    assert (cost["low"], cost["high"]) == pytest.approx((hours["low"] * 3.5, hours["high"] * 9.5))
    few = command("plan", *asked, "--set", "resources.gpu=0.25", "--set", "resources.pack=10", "--json").json["cost"]
    assert (few["hour_low"], few["hour_high"]) == (1.5, 3.5)  # a worker that all packs fit on
    assert command("plan", *asked).out.splitlines()[-1].startswith("cost: ")


def test_on_a_head_its_cluster_file_is_read_once_for_machines_and_prices(file, results, cluster: Path, head: list[str]):
    more = ("plan", file(("epochs: 4", "epochs: 10"), ("seeds: 2", "seeds: 6")), "--results", results, "--json")
    there = command(*more).json
    assert (there["time"]["slots"], there["cost"]["currency"], head) == (3, "EUR", ["6379"])
    assert there == command(*more, "--on", cluster).json


def test_a_machine_that_will_not_train_is_not_measured(file, results: Path, head: list[str]):
    ended = command("plan", file(), "--results", results, "--probe")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == ("tmc-sweep: --probe measures this machine, but `run` would train on others: leave it out\n")
    assert command("plan", file(), "--results", results).code == 0


@pytest.mark.parametrize(("share", "slots"), [(None, 3), (0.25, 12)])
def test_a_share_of_a_gpu_is_as_on_record_or_else_a_whole_one(file, paths, cluster: Path, share, slots: int):
    space = load(file())
    EpochTable.open(paths)
    table = TrialTable.open(paths)
    table.ensure(space.trials())
    table.update(space.trials()[0].trial_id, gpu=share)
    table.commit()
    more = file(("epochs: 4", "epochs: 10"), ("seeds: 2", "seeds: 6"))
    asked = ("plan", more, "--results", paths.results, "--on", cluster, "--json")
    plan = command(*asked).json
    assert (plan["time"]["slots"], plan["n_packs"], plan["cells"][1]["gpu"]) == (slots, None, share)


@pytest.mark.parametrize(
    ("prices", "wrong"),
    [
        ("{head: 0.5, spot: 1}", "lacks sure"),
        ("{head: 0.5, spot: 1, sur: 3}", "has 'sur': did you mean 'sure'"),
        ("{head: 0.5, spot: 1, sure: -3}", "has -3 for sure"),
        ("{head: 0.5, spot: 1, sure: .nan}", "has nan for sure"),
        ("{head: 0.5, spot: 1, sure: true}", "has True for sure"),
        ("{head: 0.5, spot: 1, sure: cheap}", "has 'cheap' for sure"),
        ("3", "is 3"),
    ],
)
def test_a_wrong_price_is_one_sentence(file, tmp_path: Path, prices: str, wrong: str):
    priced = tmp_path / "cluster.yaml"
    priced.write_text(f"{CLUSTER}metadata: {{price_per_hour: {prices}}}\n")
    ended = command("plan", file(), "--results", tmp_path, "--on", priced)
    rule = "metadata.price_per_hour must have a price for each node type and nothing else"
    fix = "write, for example, {head: 0.5, spot: 0.5, sure: 0.5}"
    assert (ended.code, ended.err) == (2, f"tmc-sweep: {priced}: {rule}, but {wrong}: {fix}\n")


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (
            ["--on", "nowhere.yaml"],
            2,
            "--on must be a file of `ray up`, but nowhere.yaml is not (No such file or directory): name one, such as",
        ),
        (["--on", "{file}"], 2, "--on must be a file of `ray up` with available_node_types, but {file} has none: say"),
        (["--on", "{cluster}", "--probe"], 2, "--on must be given without --probe, which is about this machine"),
        (["--on", "{cluster}", "--slots", "3"], 2, "--on must be given without --slots, which is about this machine"),
        (["--on", "{cluster}", "--set", "resources.cpu=9"], 3, "a trial must fit on one node, but asks for 9 CPU"),
        (
            ["--slots", "3", "--set", "resources.gpu=0.5", "--probe"],
            2,
            "--probe measures this machine, but `run` would",
        ),
        (["--set", "resources.cpu=9"], 3, "a trial must fit on one node, but asks for 9 CPU and 0 GPU where"),
    ],
)
def test_a_plan_that_cannot_be_made_is_one_sentence(file, cluster: Path, options, code: int, sentence: str):
    names = {"file": file(), "cluster": cluster}
    ended = command("plan", names["file"], *(option.format(**names) for option in options))
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(f"tmc-sweep: {sentence.format(**names)}")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (("max_workers: 3\n", "max_workers: lots\n"), "must have numbers for max_workers and in the resources of each"),
        (("max_workers: 3\n", "max_workers:\n"), "must have numbers for max_workers and in the resources of each node"),
        (("{CPU: 0}", "{CPU: none}"), "must have numbers for max_workers and in the resources of each node type, but"),
        (("{CPU: 0}", "[0]"), "must have numbers for max_workers and in the resources of each node type, but"),
        (("resources: {CPU: 0}", "resources: {}"), "must say what its machines have, but head has no resources: write"),
        (("head: {resources: {CPU: 0}, node_config: {}}", "head:"), "must have numbers for max_workers and in the"),
    ],
)
def test_a_cluster_file_that_does_not_say_what_it_has_is_one_sentence(file, cluster: Path, change, wrong: str):
    cluster.write_text(CLUSTER.replace(*change))
    ended = command("plan", file(), "--on", cluster)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith(f"tmc-sweep: {cluster} {wrong}")


@pytest.mark.parametrize(
    ("change", "hour"),
    [
        (("sure: {max_workers: 3", "sure: {max_workers: 0"), (0.5 + 3 * 1, 0.5 + 3 * 1)),
        (("head: {resources: {CPU: 0}", "head: {max_workers: 3, resources: {CPU: 8, GPU: 1}"), (4 * 0.5, 0.5 + 3 * 3)),
    ],
)
def test_an_hour_costs_what_the_types_that_may_come_cost(file, results: Path, cluster: Path, change, hour):
    cluster.write_text((CLUSTER + PRICES).replace(*change))
    asked = (file(("epochs: 4", "epochs: 10"), ("seeds: 2", "seeds: 6")), "--results", results, "--on", cluster)
    cost = command("plan", *asked, "--set", "resources.gpu=1", "--set", "resources.pack=1", "--json").json["cost"]
    assert (cost["hour_low"], cost["hour_high"]) == hour


def test_so_many_slots_may_be_of_machines_that_this_one_is_unlike(file, tmp_path: Path):
    asked = ("--results", tmp_path, "--slots", 3, "--set", "resources.gpu=0.5", "--json")
    plan = command("plan", file(), *asked).json
    assert (plan["time"]["slots"], plan["cells"][0]["gpu"], plan["n_packs"]) == (3, 0.5, None)


def test_no_cost_without_prices(file, tmp_path: Path, results: Path, cluster: Path):
    cluster.write_text(CLUSTER)
    asked = (file(("epochs: 4", "epochs: 10")), "--results", results, "--on", cluster)
    assert command("plan", *asked, "--json").json["cost"] is None
    assert "cost" not in command("plan", *asked).out


def test_what_a_search_is_yet_to_choose_is_taken_to_be_as_a_random_one_would(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(probe, "measure", measured)
    search = tmp_path / "search.yaml"
    search.write_text(
        "{name: search, base: {data: digits, architecture: {latents: [12, 4]}, batch_size: 100, train_images: 150,"
        " validation_images: 50, test_images: 50, eval_k: 5, epochs: 3}, space: {lr: {loguniform: [1e-4, 1e-2]}},"
        " seeds: 2, statistic: {metric: val_iwae, last: 1}, search: {algorithm: tpe, num_samples: 8}}"
    )
    plan = command("plan", search, "--results", tmp_path, "--probe", "--slots", 2, "--json").json
    assert [plan[name] for name in ("n_trials", "n_cells_to_choose", "n_packs")] == [0, 8, 8]
    epoch = 1.02 * (1 + 2 / 10)  # one step, two batches evaluated; of a pack of two
    assert plan["time"]["wall_seconds"]["about"] == pytest.approx(8 / 2 * 3 * epoch)
    assert plan["time"]["epochs_left"] == 8 * 2 * 3
    shown = command("plan", search, "--results", tmp_path).out.splitlines()
    assert shown[0] == "search: 0 trials in 0 cells, 0 to train, 8 more cells to choose, in 8 packs"
    assert shown[1].startswith("48 epochs left: about ")
    paths, space = SweepPaths(tmp_path, "search"), load(search)
    epochs, trials = EpochTable.open(paths), TrialTable.open(paths)
    first = space.trials_of(space.cells[0])
    trials.ensure(first)
    for trial in first:
        epochs.add(trial, [*named(curve(3), trial)])
        trials.update(trial.trial_id, status="done", epochs_done=3)
    epochs.commit()
    trials.commit()
    search.write_text(search.read_text().replace("num_samples: 8", "num_samples: 9"))
    open_manifest(paths, space.text)
    said = command("plan", search, "--results", tmp_path).err
    assert said.startswith(
        "the search space of search has changed since its last run: 16 new trials, 2 known, 0 only in the table"
    )
    search.write_text(space.text)
    later = command("plan", search, "--results", tmp_path, "--json").json
    assert [later[name] for name in ("n_trials", "n_to_train", "n_cells_to_choose")] == [2, 0, 7]
    assert later["time"]["epochs_left"] == 7 * 2 * 3


def test_under_a_scheduler_cells_take_turns_as_in_a_run_and_train_to_their_ends(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(probe, "measure", lambda config, *_: Cost(float(config.K), 0.0))
    file = tmp_path / "grid.yaml"

    def asked(values: Sequence[int], more: str = "") -> tuple[object, ...]:
        file.write_text(
            "{name: grid, base: {data: digits, architecture: {latents: [12, 4]}, batch_size: 100, train_images: 150,"
            f" validation_images: 50, eval_k: 5, epochs: 3}}, space: {{K: {{grid_search: {list(values)}}}}}, seeds: 1,"
            f" resources: {{pack: 1}}, statistic: {{metric: val_iwae, last: 1}}{more}}}"
        )
        return "plan", file, "--results", tmp_path, "--probe"

    def seconds(values: Sequence[int], more: str = "") -> float:
        return command(*asked(values, more), "--json").json["time"]["wall_seconds"]["about"]

    listed, asha = [20, 1, 2, 3, 4], ", scheduler: {algorithm: asha, grace_epochs: 1, last: 1}"
    cells = command(*asked(listed), "--json").json["cells"]
    in_turn = [cell["K"] for cell in sorted(cells, key=lambda cell: cell["cell_id"])]
    assert seconds(listed, asha) == seconds(in_turn) != seconds(listed)
    assert "\n15 epochs left, unless asha stops some: about " in command(*asked(listed, asha)).out
    assert "\n15 epochs left: about " in command(*asked(listed)).out


def test_a_plan_is_for_one_cluster(file, cluster: Path):
    ended = command("plan", file(), "--on", cluster, "--cluster", cluster)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith(f"but got --on {cluster} and --cluster {cluster}: leave one out\n")
    assert command("plan", file(), "--on", cluster).code == 0
