"""The benchmarks compare equal things, count rightly and print what they say; how fast anything is, is not tested."""

import importlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import checkouts, command, estimators, evaluation, latency, pyro, roofline, saturation, sweep
from benchmarks.__main__ import main, stored
from benchmarks.goals import GOALS, Goal
from benchmarks.machine import machine
from benchmarks.measure import peak_bytes
from benchmarks.page import BEGIN, END, replace_section, table
from benchmarks.reference import ReferenceVAE, fresh_noise
from benchmarks.step import check_losses, tmc_over_iwae
from benchmarks.suite import ROOT, SUITE, Benchmark
from benchmarks.workload import configuration, module_of, random_images, training
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Split
from tmc_sweep.models import HierarchicalVAE
from tmc_sweep.registry import BOUNDS
from tmc_sweep.training import Pack

pytestmark = pytest.mark.cluster

LONG = ("driver", "engine", "plan", "scale", "search_stopping", "sweep")


@pytest.fixture(autouse=True)
def same_noise() -> None:
    torch.manual_seed(0)


def small(**fields: object) -> TrialConfig:
    return TrialConfig.parse({"K": 3, "architecture": {"latents": [12, 8, 4]}, **fields})


def initialised(config: TrialConfig) -> tuple[HierarchicalVAE, torch.Tensor]:
    """A model of ours, and images."""
    generator = torch.Generator().manual_seed(0)
    ours = HierarchicalVAE(config)
    ours.initialise(0, config, generator)
    return ours, torch.rand(5, config.n_features, generator=generator)


@pytest.mark.parametrize("objective", ["elbo", "iwae", "tmc"])
@pytest.mark.parametrize("encoder_passes", [1, 2])
def test_the_reference_has_our_loss_and_a_changed_weight_would_show(objective: str, encoder_passes: int) -> None:
    config = small(objective=objective)
    ours, x = initialised(config)
    reference = ReferenceVAE(config, ours, encoder_passes)
    check_losses(config, ours, reference, x)
    with torch.no_grad():
        reference.p[1].first.weight.add_(1.0)
    with pytest.raises(SystemExit, match="the losses must agree"):
        check_losses(config, ours, reference, x)


@pytest.mark.parametrize("encoder_passes", [1, 2])
def test_the_reference_encodes_k_copies_of_x_as_often_as_it_says(encoder_passes: int) -> None:
    config = small()
    ours, x = initialised(config)
    reference, encoded = ReferenceVAE(config, ours, encoder_passes), []
    reference.q[0].register_forward_hook(lambda module, inputs, outputs: encoded.append(inputs[0].shape[:-1]))
    reference(x, fresh_noise(config, len(x)))
    assert encoded == [(3, 5)] * encoder_passes


def test_separate_passes_give_the_values_of_our_one_pass() -> None:
    config = small()
    images = random_images(config, 200)
    pack = Pack(training(config, images).states, Split(images, images[:0], images))
    reference = ReferenceVAE(config, module_of(pack))
    separate = evaluation.separate_passes(config, reference, images / 255)
    ours = pack._evaluate(pack._evaluations["test"])
    assert {name: separate[name].item() for name in BOUNDS} == {
        name: pytest.approx(value.item(), rel=1e-6) for name, value in ours.items()
    }


def test_pyro_has_our_loss_and_a_changed_weight_would_show() -> None:
    config = small(proposal="factorised")
    ours, x = initialised(config)
    theirs = pyro.PyroVAE(config, ours)
    with pyro.pyro.validation_enabled(False):
        pyro.check_losses(ours, theirs, x)
        with torch.no_grad():
            theirs.q[1].first.weight.add_(1.0)
        with pytest.raises(SystemExit, match="the losses must agree"):
            pyro.check_losses(ours, theirs, x)


@pytest.mark.parametrize("objective", ["iwae", "tmc"])
def test_jax_has_our_losses_and_a_changed_weight_would_show(objective: str) -> None:
    jax_ensemble = pytest.importorskip("benchmarks.jax_ensemble", reason="needs the jax extra")
    config = small(objective=objective)
    images = random_images(config, 5)
    ours = training(config, images, members=2)
    theirs = jax_ensemble.Ensemble(config, ours, random_images(config))
    jax_ensemble.check_losses(config, ours, theirs, images / 255)
    theirs.weights["p.1.first.weight"] += 1.0
    with pytest.raises(SystemExit, match="the losses must agree"):
        jax_ensemble.check_losses(config, ours, theirs, images / 255)


def test_members_epochs_are_counted_by_way(capsys: pytest.CaptureFixture[str]) -> None:
    saturation.main(["--data", "digits", "--K", "2", "--members", "2", "--processes", "--rounds", "1", "--json"])
    serial, pack = json.loads(capsys.readouterr().out)["rows"]
    assert [serial["way"], pack["way"], pack["members"]] == ["serial", "pack", 2]
    assert pack["times_serial"] == pytest.approx(pack["member_epochs_per_hour"] / serial["member_epochs_per_hour"])


def test_the_variances_of_the_estimators_are_measured_before_and_after_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    estimators.main(["--K", "2", "--epochs", "0", "1", "--draws", "3", "--json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [*rows[0]] == [*estimators.Row.__annotations__]
    assert [row["epochs"] for row in rows] == [0, 1] * len(estimators.CASES)
    assert all(0 < row["variance_ratio"] < 2 for row in rows)


def onednns_flops(rows: torch.Size, weight: torch.Size, *_: object, **__: object) -> int:
    """Of a product of which torch's counter does not know."""
    return 2 * rows.numel() * weight[0]


@pytest.mark.parametrize("objective", ["iwae", "tmc"])
@pytest.mark.parametrize("architecture", ["small", "large"])
def test_the_flops_are_those_of_our_real_step(architecture: str, objective: str) -> None:
    """And what Bernoulli's log-probabilities multiply to be made on the hidden side, which is no part of the model."""
    config = configuration(architecture=architecture, objective=objective, K=3)
    pack = training(config, random_images(config, 50))
    with FlopCounterMode(display=False, custom_mapping={torch.ops.mkldnn._linear_pointwise: onednns_flops}) as counter:
        pack.train_epoch()
    hidden_side = 2 * 50 * config.n_features * (2 * config.architecture.p_hidden[0] + 1 + config.K)
    assert counter.get_total_flops() == roofline.step_flops(config, images=50) + hidden_side


def test_the_peak_is_of_what_lives_at_once_and_not_of_what_lived_before() -> None:
    before = torch.empty(10_000)

    def one_after_the_other() -> None:
        for size in (1_000, 3_000, 2_000):
            torch.empty(size)

    def both() -> list[torch.Tensor]:
        return [torch.empty(1_000), torch.empty(2_500)]

    assert [peak_bytes(one_after_the_other), peak_bytes(both)] == [4 * 3_000, 4 * 3_500]
    assert len(before) == 10_000


@pytest.mark.parametrize(
    "benchmark",
    [pytest.param(b, id=b.name, marks=[pytest.mark.long] * (b.name in LONG)) for b in SUITE],  # as long as `sweep`
)
def test_each_benchmark_runs_and_its_rows_have_the_documented_fields(
    benchmark: Benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *arguments = shlex.split(f"{benchmark.command} {benchmark.quick} --json")
    module: Any = importlib.import_module(name)
    if benchmark.name in ("engine", "scale"):  # here calls are checked for shapes, and do not compile; no Ray starts
        rows = benchmark.run(quick=True)["rows"]
    else:
        module.main(arguments)
        rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows
    for row in rows:
        assert [*row] == [*module.Row.__annotations__]


def test_a_benchmark_uses_one_thread_and_takes_what_its_function_takes(capsys: pytest.CaptureFixture[str]) -> None:
    def rows(
        K: command.Ks = (5, 20), way: Annotated[Literal["up", "down"], "where to"] = "up"
    ) -> Iterator[dict[str, object]]:
        yield {"threads": torch.get_num_threads(), "K": [*K], "way": way}

    threads, main = torch.get_num_threads(), command.of(rows, lambda found: [{"rows": len(found)}])
    try:
        torch.set_num_threads(2)
        main(["--json"])
        main(["--K", "3", "--way", "down", "--json"])
        assert [json.loads(line)["rows"] for line in capsys.readouterr().out.splitlines()] == [
            [{"threads": 1, "K": [5, 20], "way": "up"}],
            [{"threads": 1, "K": [3], "way": "down"}],
        ]
        main([])
        assert capsys.readouterr().out.split() == ["threads", "K", "way", "1", "[5,", "20]", "up", "rows", "1"]
        with pytest.raises(SystemExit):
            main(["--way", "left"])
    finally:
        torch.set_num_threads(threads)


def test_only_what_is_between_the_markers_is_replaced() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n\n{END}\n## By hand\n"
    once = replace_section(page, "new\n")
    assert once == f"# Title\n\n{BEGIN}\nnew\n\n{END}\n## By hand\n"
    assert replace_section(once, "new\n") == once
    with pytest.raises(SystemExit, match="must hold the lines"):
        replace_section("# Title\n", "new\n")
    with pytest.raises(SystemExit, match="must hold the lines"):
        replace_section(f"{END}\n{BEGIN}\n", "new\n")


def test_a_table_shows_three_digits_and_bytes_as_mib() -> None:
    rows = [{"K": 20, "ours_ms": 55.678, "wall_seconds": 1234.5, "ours_peak_bytes": 3 * 2**19, "increment_ms": None}]
    assert table(rows).splitlines() == [
        "| K | ours ms | wall seconds | ours peak MiB | increment ms |",
        "| --- | --- | --- | --- | --- |",
        "| 20 | 55.7 | 1234 | 1.50 |  |",
    ]


@pytest.mark.parametrize(
    ("least", "aim", "values", "worst", "verdicts"),
    [
        (3.5, 4.5, [5.0, 4.0], 4.0, ["yes", "no"]),  # more is better
        (0.2, 0.1, [0.05, 0.09], 0.09, ["yes", "yes"]),  # less is better
        (0.2, 0.1, [0.05, 0.3], 0.3, ["no", "no"]),
        (0.2, 0.1, [], None, ["", ""]),
    ],
)
def test_a_goal_is_judged_by_its_worst_row(
    least: float, aim: float, values: list[float], worst: float | None, verdicts: list[str]
) -> None:
    goal = Goal("fast", least, aim, "step", "ratio", {"K": 20})
    rows = [{"K": 20, "ratio": value} for value in values] + [{"K": 5, "ratio": 1000.0 * least / aim}]
    reached = goal.reached({"step": rows})
    assert reached == worst
    assert [goal.verdict(reached, bound) for bound in (least, aim)] == verdicts


def test_every_goal_that_can_be_measured_here_names_a_column_of_its_benchmark() -> None:
    rows = {benchmark.name: importlib.import_module(benchmark.command.split()[0]).Row for benchmark in SUITE}
    fields = {name: {*row.__annotations__} for name, row in rows.items()}
    fields["tmc_over_iwae"] = {"architecture", "K", "tmc_over_iwae"}
    fields["tpe_over_random"] = {"objective", "searches", "tpe_not_worse"}
    goals = [goal for goal in GOALS if goal.benchmark]
    assert all({goal.column, *goal.where} <= fields[goal.benchmark] for goal in goals)


def test_a_command_is_timed_in_each_checkout() -> None:
    ours, same = latency.rows(["help"], 1, [str(ROOT / "benchmarks" / "..")])
    assert (ours["command"], same["checkout"]) == ("--help", "this")
    assert 0 < same["cpu_seconds"] < 60


def test_pauses_are_those_of_each_process() -> None:
    seconds = {"a": [1, 3], "b": [6], "c": [2]}
    epochs = pd.DataFrame(
        [(name, pd.Timestamp(at, unit="s"), 1.0) for name, times in seconds.items() for at in times],
        columns=["trial_id", "time", "epoch_seconds"],
    )
    attempts = pd.DataFrame({"trial_id": ["a", "b", "c"], "process": ["x", "x", "y"]})
    assert sweep.pauses(epochs, attempts) == (1.0, 2.0)
    assert sweep.pauses(epochs[epochs["trial_id"] == "c"], attempts) == (None, None)


def test_a_step_is_timed_in_each_checkout_and_beside_the_reference() -> None:
    (row,) = checkouts.rows(str(ROOT / "benchmarks" / ".."), ["small"], ["tmc"], [1], rounds=1)
    assert row["now_over_before"] == pytest.approx(row["now_ms"] / row["before_ms"])
    assert row["reference_over_now"] == pytest.approx(row["reference_ms"] / row["now_ms"])


def test_tmc_over_iwae_is_given_where_both_were_measured() -> None:
    rows = [
        {"architecture": name, "objective": objective, "K": k, "ours_ms": ms}
        for name, objective, k, ms in [("small", "tmc", 5, 3.0), ("small", "iwae", 5, 2.0), ("large", "tmc", 5, 9.0)]
    ]
    assert tmc_over_iwae(rows) == [{"architecture": "small", "K": 5, "tmc_over_iwae": 1.5}]


def test_all_in_one_reads_json_alone_writes_rows_and_page_and_keeps_other_rows(tmp_path: Path) -> None:
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}{END}after\n")
    kept: dict[str, Any] = {"command": "python -m benchmarks.data", "date": "2026-01-02", "seconds": 1.0}
    kept["rows"] = [{"path": "ours", "cpu_seconds": 0.125, "ratio": 1.0}]
    results.write_text(json.dumps({"machine": machine(), "benchmarks": {"data": kept}}))
    main(["--only", "step", "--quick", "--results", str(results), "--page", str(page)])
    written = json.loads(results.read_text())["benchmarks"]
    assert written["data"] == kept
    for row, objective in zip(written["step"]["rows"], ["iwae", "tmc"], strict=True):
        assert (row["architecture"], row["objective"], row["K"]) == ("small", objective, 5)
        assert row["ratio"] == pytest.approx(row["reference_ms"] / row["ours_ms"])
        assert row["peak_ratio"] == pytest.approx(row["ours_peak_bytes"] / row["reference_peak_bytes"])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| data path: CPU seconds per MNIST epoch | 0.200 | 0.100 | 0.125 | yes | no |" in text
    assert (
        "\n## One training step, against the article's form\n\n```sh\npython -m benchmarks.step\n```\n\nThe bound"
        in text
    )


def test_rows_of_another_machine_are_dropped(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"machine": {"cpu": "another"}, "benchmarks": {"data": {}}}))
    assert stored(results)["benchmarks"] == {}


def test_the_page_has_the_markers_and_names_each_command() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    assert replace_section(page, "") != page
    assert all(f"\n```sh\n{benchmark.shown}\n```\n" in page for benchmark in SUITE)
