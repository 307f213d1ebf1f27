"""Trials of numerics 1, whose pixels shared the noise's random numbers, stay as they are, compared with none."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from twin import outcomes, sweep, table
from verbs import copied_as

from tmc_sweep.analysis.analyse import analyse
from tmc_sweep.analysis.evaluation import evaluate
from tmc_sweep.analysis.trained import choose
from tmc_sweep.article.evidence import evidence
from tmc_sweep.cli.changes import describe_changes
from tmc_sweep.cli.plan import plan_of
from tmc_sweep.cli.show import headline
from tmc_sweep.cli.status import sweep_status
from tmc_sweep.config import NUMERICS_VERSION, EarlierConfig, TrialConfig
from tmc_sweep.data import Images
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.integrity.repair import repair
from tmc_sweep.integrity.reproduce import reproduce
from tmc_sweep.integrity.stored_trial import find_trial
from tmc_sweep.integrity.verify import verify
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.report import figures
from tmc_sweep.report.page import page
from tmc_sweep.report.tables import SweepTables
from tmc_sweep.search.cells import known_trials
from tmc_sweep.space import SearchSpace
from tmc_sweep.space.load import parse
from tmc_sweep.statistics.compare import compare
from tmc_sweep.statistics.export import export
from tmc_sweep.statistics.paired import paired_differences
from tmc_sweep.statistics.ranking import ranking
from tmc_sweep.statistics.summary import summarize
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.manifest import read_manifest
from tmc_sweep.store.read import read_trials, stored_trials
from tmc_sweep.store.trials import config_by_columns, config_of, known_config
from tmc_sweep.sweep import runner
from tmc_sweep.training import train

GOLDEN = Path(__file__).parent / "golden" / "numerics-1"
DONE, BEGUN = "8e6539a54b30", "237651431233"  # the trials of `binarize: dynamic`, by 54e832e
CELL = "168a91ddf554"
SENTENCE = (
    "2 trials are left out of pixels, since an earlier version drew their pixels (binarize: dynamic) from the random"
)


@pytest.fixture
def paths(tmp_path: Path) -> SweepPaths:
    shutil.copytree(GOLDEN, tmp_path / "results")
    return SweepPaths(tmp_path / "results", "pixels")


@pytest.fixture
def space(paths: SweepPaths) -> SearchSpace:
    manifest = read_manifest(paths)
    assert manifest is not None
    return parse(manifest.search_space, "pixels.yaml")


def earlier_rows(paths: SweepPaths) -> pd.DataFrame:
    return outcomes(table(paths.epochs).query("cell_id == @CELL"))


def test_the_golden_sweep_is_small():
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 100_000


def test_only_the_names_of_dynamic_trials_have_changed(paths: SweepPaths, space: SearchSpace):
    rows = stored_trials(paths)
    configs = [config_of(row) for row in rows.values()]
    assert [config.trial_id for config in configs] == [*rows] == [row["trial_id"] for row in rows.values()]
    assert [type(config) for config in configs] == [TrialConfig, TrialConfig, EarlierConfig, EarlierConfig]
    assert [config_by_columns(row, epochs=2) for row in rows.values()] == configs
    assert [config.trial_id in rows for config in space.trials()] == [True, True, False, False]
    assert {config.numerics for config in space.trials()} == {1, NUMERICS_VERSION}


def test_a_name_that_no_numerics_gives_is_nobodys():
    config = TrialConfig.parse({"binarize": "dynamic"})
    assert config.named(config.trial_id) is config
    assert config.named("0" * 12) is None
    with pytest.raises(StorageError, match="must have the configuration that gave it its name, but this version reads"):
        known_config({"trial_id": "0" * 12, "config": config.model_dump_json()})
    assert len({config, config.named("56d128c74541")}) == 2


def test_it_is_read_and_whole(paths: SweepPaths):
    findings = verify(paths)
    assert findings.problems == ()
    assert (findings.trials, findings.epochs, findings.checkpoints) == (4, 7, 4)
    assert repair(paths).done == ()
    assert export(paths.epochs, "csv", paths.results / "out") == 4


def test_it_is_in_no_comparison_and_a_sentence_says_so(paths: SweepPaths, caplog):
    assert summarize(paths.epochs, last=1)["binarize"].tolist() == ["none"]
    (said,) = caplog.messages
    assert said.startswith(SENTENCE)
    assert said.endswith(": run the sweep to train them anew")
    assert paired_differences(paths.epochs, "binarize", last=1).empty
    assert len(caplog.messages) == 2


def test_the_best_cell_is_none_of_them_nor_waits_among_them(paths: SweepPaths):
    assert ranking(paths.epochs, 1, "test_objective", "max")["cell_id"].tolist() == ["7ca3ac3ba428"]


def test_two_sweeps_of_them_have_nothing_to_compare(paths: SweepPaths, caplog):
    others = copied_as(paths, "others")
    frame = compare(paths.epochs, others.epochs, 1, "test_objective")
    assert frame["binarize"].tolist() == ["none"]
    assert frame[["a_mean", "b_mean"]].notna().all(axis=None)
    assert len(caplog.messages) == 2


def test_a_report_is_without_them(paths: SweepPaths, caplog, monkeypatch: pytest.MonkeyPatch):
    """And so its figures, which have no other tables."""
    monkeypatch.setattr(figures, "of", lambda _: [])
    tables = SweepTables.read(paths.results, "pixels")
    frames = (tables.epochs, tables.trials, tables.summary, tables.evaluations, tables.reconstructions, tables.latents)
    assert [set(frame["binarize"]) for frame in frames] == [{"none"}] * 6
    assert {trial.fields["binarize"] for trial in evidence(tables)} == {"none"}
    assert tables.left_out.startswith(SENTENCE)
    assert f'<p class="note">{SENTENCE}' in page([tables])
    assert caplog.messages == []  # it is on the page


def test_those_that_trained_beside_still_did(paths: SweepPaths):
    """A current trial's seconds depend on them."""
    tables = SweepTables.read(paths.results, "pixels")
    assert {DONE, BEGUN} <= tables.beside.keys()
    assert set(tables.trials["trial_id"]) <= tables.beside.keys()


def test_status_shows_them_apart(paths: SweepPaths):
    status = sweep_status(paths.results, "pixels")
    assert [trial["trial_id"] for trial in status["trials"] if trial["earlier"]] == [DONE, BEGUN]
    assert "(1 running, 3 done, 2 of earlier numerics)" in headline(status)


def test_a_plan_of_the_same_file_trains_others_beside_them(paths: SweepPaths, space: SearchSpace):
    (said,) = describe_changes(space, paths.results)
    assert said.startswith("pixels keeps 2 trials that are trained no further, since an earlier version drew")
    plan = plan_of(space, paths.results)
    assert (plan["n_trials"], plan["n_to_train"], plan["n_begun"]) == (4, 2, 0)


def test_a_run_of_the_same_file_trains_others_beside_them(
    paths: SweepPaths, space: SearchSpace, digits: Images, caplog
):
    with pytest.raises(InputError, match="or run the sweep again, which trains it anew under another name"):
        next(train(find_trial(paths.results, DONE).config))
    before = earlier_rows(paths)
    left = [config.trial_id for config in space.trials() if config.binarize == "dynamic"]
    assert sweep(paths, space.trials(), digits, text=space.text) == left
    pd.testing.assert_frame_equal(earlier_rows(paths), before, check_exact=True)
    assert verify(paths).problems == ()
    assert choose(paths).left_out.endswith("numbers of the samples: they were trained anew under other names")
    caplog.clear()
    summary = summarize(paths.epochs, last=1).set_index("binarize")
    assert [message.endswith(": they were trained anew under other names") for message in caplog.messages] == [True]
    assert sorted(summary.index) == ["dynamic", "none"]
    assert summary.loc["dynamic", "cell_id"] == space.trials()[-1].cell_id != CELL
    assert paired_differences(paths.epochs, "binarize", last=1)["n_seeds"].tolist() == [2]
    assert sweep(paths, space.trials(), digits, text=space.text) == []


def test_a_run_ends_those_that_were_not_finished(paths: SweepPaths, space: SearchSpace, monkeypatch):
    monkeypatch.setattr(runner, "_train", lambda *_: None)
    runner.run(space, paths.results)
    rows = read_trials(paths.epochs).set_index("trial_id")
    assert rows.loc[[DONE, BEGUN], "status"].tolist() == [Status.DONE, Status.STOPPED]
    assert rows.loc[BEGUN, "reason"].startswith("trained no further, since an earlier version drew their pixels")
    assert rows.loc[BEGUN, "epochs_done"] == 1
    assert verify(paths).problems == ()


def test_a_search_does_not_take_them_for_cells_that_it_chose(paths: SweepPaths):
    cell = (
        "{data: digits, objective: iwae, architecture: {latents: [2], q_hidden: [4], p_hidden: [4]}, binarize: dynamic,"
        " test_images: 20, batch_size: 32, validation_images: 4, eval_k: 2, epochs: 2, train_images: 40}"
    )
    how = "statistic: {metric: val_iwae, last: 1}, search: {algorithm: tpe, num_samples: 3}"
    space = parse(f"{{name: pixels, base: {cell}, space: {{K: {{choice: [1, 2]}}}}, {how}}}", "pixels.yaml")
    fields = {**space.cells[0].model_dump(), "K": 2}
    config = EarlierConfig.model_validate(fields)
    row = {"trial_id": config.trial_id, "config": config.model_dump_json()}
    assert config_of(row) == config
    assert known_trials(space, {config.trial_id: row}) == []
    today = TrialConfig.model_validate(fields)
    assert known_trials(space, {today.trial_id: {"trial_id": today.trial_id, "config": row["config"]}}) == [today]


def test_their_models_are_left_out_of_evaluation_and_analysis(paths: SweepPaths):
    chosen = choose(paths)
    assert [config.binarize for config in chosen.epochs] == ["none", "none"]
    assert chosen.left_out.startswith(SENTENCE)
    assert set(evaluate(chosen, "iwae", 5, "cpu")["binarize"]) == {"none"}
    assert len(list(analyse(chosen, 2, 2, "cpu"))) == 2
    with pytest.raises(
        InputError, match=r"^a trial must be of this version's numerics .*: run the sweep to train them"
    ):
        choose(paths, [DONE])


def test_none_is_trained_again_under_its_name(paths: SweepPaths):
    found = find_trial(paths.results, DONE)
    assert isinstance(found.config, EarlierConfig)
    for again in (lambda: reproduce(found), lambda: next(train(found.config))):
        with pytest.raises(InputError, match=rf"^trial {DONE} must be trained by the version that began it, since"):
            again()


def test_rows_that_are_lost_come_back_from_their_checkpoints(paths: SweepPaths):
    before = earlier_rows(paths)
    paths.part(0).write_bytes(b"garbage")
    mended = repair(paths)
    assert mended.to_train == ()
    pd.testing.assert_frame_equal(earlier_rows(paths), before, check_exact=True)
    assert read_trials(paths.epochs).set_index("trial_id").loc[DONE, "status"] == "done"
    assert verify(paths).problems == ()


def test_rows_that_do_not_are_lost_for_ever(paths: SweepPaths):
    CheckpointFiles(paths).drop(DONE)
    paths.part(0).write_bytes(b"garbage")
    mended = repair(paths)
    assert mended.to_train == ()
    assert [line for line in mended.done if line.startswith("lost for ever, since an earlier")] == [mended.done[-1]]
    assert mended.done[-1].endswith(f"trial {DONE}: epochs 1 to 2")


@pytest.mark.parametrize("checkpoints", [True, False])
def test_a_trial_table_that_is_lost_comes_back_with_their_names(paths: SweepPaths, checkpoints: bool):
    paths.trials.unlink()
    if not checkpoints:
        shutil.rmtree(paths.checkpoints)
    repair(paths)
    rows = stored_trials(paths)
    assert {DONE, BEGUN} <= rows.keys()
    assert isinstance(config_of(rows[DONE]), EarlierConfig)
    assert json.loads(rows[DONE]["config"])["binarize"] == "dynamic"
    assert verify(paths).problems == ()
