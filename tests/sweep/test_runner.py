"""What `run` hands on to those who train. Nothing is trained, and no Ray is started."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from twin import sweep

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.search.early_stopping import fair_order
from tmc_sweep.space.load import parse
from tmc_sweep.statistics.pace import recorded_paces
from tmc_sweep.sweep import runner
from tmc_sweep.sweep.progress import Snapshot, TrialProgress
from tmc_sweep.sweep.writer import Writer

BASE = "data: digits, objective: iwae, architecture: {latents: [12, 4]}, train_images: 100, test_images: 40"
GRID = "{{name: tiny, base: {{{base}, batch_size: 64, epochs: {epochs}}}, seeds: 2}}"
CHOOSING = (
    "{{name: tiny, base: {{{base}, validation_images: 40, eval_k: 2, epochs: 2}}, space: {{K: {{{of}: [1, 2, 3]}}}},"
    " seeds: 2, statistic: {{metric: val_iwae, last: 1}}, {how}}}"
)


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[TrialConfig], Writer]]:
    """What runs that train nothing would train, and who writes it down."""
    found: list[tuple[list[TrialConfig], Writer]] = []
    monkeypatch.setattr(runner, "_train", lambda configs, images, space, writer, *_: found.append((configs, writer)))
    return found


def test_a_resumed_run_knows_how_long_epochs_took(digits: Images, paths: SweepPaths, handed_on):
    before, more = (parse(GRID.format(base=BASE, epochs=epochs), "tiny.yaml") for epochs in (2, 5))
    sweep(paths, before.trials(), digits)
    runner.run(more, paths.results, listener=lambda _: None)
    ((_, writer),) = handed_on
    trial = more.trials()[0]
    writer.progress.update(TrialProgress(trial, Status.RUNNING, writer.recorder.last(trial.trial_id)))
    seconds = recorded_paces(paths)[trial.cell_id].mean
    assert writer.progress.snapshot().remaining_seconds == pytest.approx(2 * 3 * seconds)


def test_the_trials_that_a_search_is_to_choose_are_counted(paths: SweepPaths, handed_on):
    runner.run(
        parse(CHOOSING.format(base=BASE, of="choice", how="search: {algorithm: tpe, num_samples: 3}"), "tiny.yaml"),
        paths.results,
    )
    assert handed_on[0][1].progress.snapshot().n_to_choose == 3 * 2


def test_cells_that_are_compared_take_their_turns_in_a_fair_order(paths: SweepPaths, handed_on):
    space = parse(
        CHOOSING.format(base=BASE, of="grid_search", how="scheduler: {algorithm: asha, grace_epochs: 1}"), "tiny.yaml"
    )
    runner.run(space, paths.results)
    ((configs, _),) = handed_on
    assert configs == fair_order(space.trials()) != space.trials()


@pytest.mark.parametrize(("nodes", "certain"), [([{"CPU": 3.0}], True), ([{"CPU": 3.0}, {"CPU": 3.0}], False)])
def test_one_node_alone_will_surely_fill_its_slots(
    digits: Images, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch, nodes, certain: bool
):
    before, more = (parse(GRID.format(base=BASE, epochs=epochs), "tiny.yaml") for epochs in (2, 5))
    sweep(paths, before.trials(), digits)
    seconds = recorded_paces(paths)[more.cells[0].cell_id].mean
    shown: list[Snapshot] = []
    executor = SimpleNamespace(nodes=nodes, measure=lambda *_: None, train=lambda packs, writer: [])
    monkeypatch.setattr(runner, "open_executor", lambda *_: lambda *_: nullcontext(executor))
    runner.run(more, paths.results, shown.append)
    assert shown[-1].remaining_seconds == (pytest.approx(3 * seconds) if certain else None)
