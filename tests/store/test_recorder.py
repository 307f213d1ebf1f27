"""The writer's logic: messages in, tables out."""

from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from sent import FIRST, OTHER, begin, ids, report, row
from twin import small

from tmc_sweep.config import TrialConfig
from tmc_sweep.errors import StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.store import recorder as recorder_module
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.epochs import EpochTable
from tmc_sweep.store.manifest import open_manifest, read_manifest
from tmc_sweep.store.messages import Ack, Started
from tmc_sweep.store.read import read_trials
from tmc_sweep.store.recorder import Recorder
from tmc_sweep.store.trials import TrialTable

NAN = float("nan")


def broken(*_: object) -> None:
    raise StorageError("the disk is full")


@pytest.fixture
def recorder(paths: SweepPaths) -> Recorder:
    return Recorder.open(paths, [FIRST, OTHER])


def trial(paths: SweepPaths, config: TrialConfig = FIRST) -> pd.Series:
    """The trial's row on disk."""
    return read_trials(paths.epochs).set_index("trial_id").loc[config.trial_id]


def stored(paths: SweepPaths) -> list[float]:
    """The first trial's values on disk."""
    return pd.read_parquet(paths.epochs)["test_objective"].tolist()


def test_every_trial_is_on_record_as_pending_from_the_start(recorder: Recorder, paths: SweepPaths):
    frame = read_trials(paths.epochs)
    assert frame["trial_id"].tolist() == [FIRST.trial_id, OTHER.trial_id]
    assert frame[["status", "attempts", "epochs", "epochs_done"]].values.tolist() == [["pending", 0, 3, 0]] * 2


def test_a_trial_from_begin_to_done(recorder: Recorder, paths: SweepPaths):
    assert recorder.receive(begin()) == Started(attempt=1, checkpoint=None)
    recorder.commit()
    now = trial(paths)
    assert (now["status"], now["attempts"], now["n_parameters"], now["host"]) == ("running", 1, 7, "host")
    assert recorder.receive(report(row(1), row(2))) == Ack(refused=False)
    recorder.commit()
    assert (len(stored(paths)), trial(paths)["status"]) == (2, "running")
    recorder.receive(report(row(3), checkpoint=b"weights"))
    recorder.commit()
    now = trial(paths)
    assert (now["status"], now["epochs_done"], now["checkpoint_epoch"]) == ("done", 3, 3)
    assert pd.isna(now["reason"])
    assert (paths.results / now["checkpoint"]).read_bytes() == b"weights"
    assert now["started"] <= now["ended"]
    assert trial(paths, OTHER)["status"] == "pending"


def test_the_next_attempt_gets_the_newest_checkpoint_and_the_next_number(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.receive(report(row(1), checkpoint=b"one"))
    recorder.receive(report(row(2), checkpoint=b"two"))
    assert recorder.receive(begin()) == Started(attempt=2, checkpoint=b"two")
    recorder.commit()
    assert trial(paths)["attempts"] == 2


def test_each_trial_is_in_the_pack_that_it_last_began_in(paths: SweepPaths):
    a, b, c, d = trials = [small(seed=seed) for seed in range(4)]
    recorder = Recorder.open(paths, trials)
    for pack, expected in (
        ([a, b, c], [ids(a, b, c)]),
        ([d], [ids(a, b, c), ids(d)]),
        ([c, d], [ids(a, b), ids(c, d)]),
        ([b], [ids(a), ids(b), ids(c, d)]),
        ([d, a, b, c], [ids(d, a, b, c)]),
    ):
        for config in pack:
            recorder.receive(begin(config, pack=pack))
        recorder.commit()
        assert list(recorder.packs) == expected
        recorder = Recorder.open(paths, trials)  # it is all on disk
        assert list(recorder.packs) == expected
        assert [trial(paths, config)["pack_size"] for config in pack] == [len(pack)] * len(pack)


def test_the_manifest_is_written_once_a_commit_and_only_if_packs_have_changed(
    recorder: Recorder, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    written, write = [], recorder_module.write_manifest
    monkeypatch.setattr(recorder_module, "write_manifest", lambda *a: (written.append(1), write(*a)))
    for _ in range(2):
        recorder.receive(begin(FIRST, pack=[FIRST, OTHER]))
        recorder.receive(begin(OTHER, pack=[FIRST, OTHER]))
        recorder.receive(report(row(1), attempt=recorder.row(FIRST.trial_id)["attempts"]))
        recorder.commit()
        recorder.commit()
        assert len(written) == 1
    assert read_manifest(paths).packs == (ids(FIRST, OTHER),)
    recorder.receive(begin(OTHER))
    recorder.receive(begin(FIRST, pack=[FIRST, OTHER]))  # as before, unlike the other
    recorder.commit()
    assert read_manifest(paths).packs == (ids(FIRST), ids(OTHER))


def test_a_letter_of_an_earlier_attempt_is_refused_rows_and_checkpoint(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.receive(begin())
    assert recorder.receive(report(row(1), checkpoint=b"zombie")) == Ack(refused=True)
    recorder.commit()
    assert (stored(paths), list(paths.results.rglob("*.safetensors"))) == ([], [])
    assert recorder.receive(report(row(1, attempt=2), attempt=2)) == Ack(refused=False)


def test_the_history_of_a_checkpoint_heals_rows_that_were_lost(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.receive(report(row(1, -60)))
    recorder.commit()
    recorder.receive(begin())
    recorder.receive(report(row(1, -60), row(2, -55), attempt=2))
    recorder.commit()
    assert stored(paths) == [-60, -55]


@pytest.mark.parametrize("device", ["cpu", "Tesla"])
def test_an_epoch_trained_again_with_the_same_outcome_is_left_as_it_is_time_and_all(
    recorder: Recorder, paths: SweepPaths, device: str
):
    recorder.receive(begin(device=device))
    recorder.receive(report(row(1), row(2)))
    recorder.commit()
    before = (paths.epochs / "part-00000.parquet").read_bytes()
    recorder.receive(begin(device=device))
    recorder.receive(report(row(1, attempt=2), row(2, attempt=2), attempt=2))
    recorder.commit()
    assert (paths.epochs / "part-00000.parquet").read_bytes() == before


def test_on_a_cpu_an_epoch_that_differs_fails_the_trial_and_leaves_its_checkpoints(
    recorder: Recorder, paths: SweepPaths
):
    recorder.receive(begin())
    recorder.receive(report(row(1), row(2), checkpoint=b"good"))
    recorder.receive(begin())
    assert recorder.receive(report(row(2, -49.0), attempt=2, checkpoint=b"other")) == Ack(refused=True)
    recorder.commit()
    now = trial(paths)
    assert (now["status"], now["checkpoint_epoch"]) == ("failed", 2)
    assert f"trial {FIRST.trial_id}, trained again, must reproduce its stored epoch 2, but" in now["reason"]
    assert [path.read_bytes() for path in paths.results.rglob("*.safetensors")] == [b"good"]
    assert stored(paths) == [-50, -50]
    assert recorder.receive(report(row(3), attempt=2)) == Ack(refused=True)  # nothing more of it
    assert recorder.receive(begin(OTHER)) == Started(1, None)  # the sweep goes on
    again = Recorder.open(paths, [FIRST, OTHER])  # on a machine like the first run's
    assert again.receive(begin()) == Started(3, b"good")
    assert again.receive(report(row(2, attempt=3), row(3, attempt=3), attempt=3)) == Ack(refused=False)
    again.commit()
    assert stored(paths) == [-50, -50, -50]


def test_on_a_gpu_an_epoch_that_differs_takes_the_place_of_the_stored_ones(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin(device="Tesla"))
    recorder.receive(report(row(1), row(2)))
    recorder.receive(begin(device="Tesla"))
    assert recorder.receive(report(row(1, -49.0, attempt=2), attempt=2)) == Ack(refused=False)
    recorder.commit()
    assert (stored(paths), trial(paths)["epochs_done"]) == ([-49], 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {name: "other"}) for name in ("device", "engine", "host", "versions")]
    + [({}, {"threads": 2}), ({"engine": "compiled"}, {"engine": "compiled"})],
)
def test_where_the_same_bits_are_not_promised_an_epoch_may_differ(
    recorder: Recorder, before: dict[str, object], after: dict[str, object]
):
    recorder.receive(begin(**before))
    recorder.receive(report(row(1)))
    recorder.receive(begin(**after))
    assert recorder.receive(report(row(1, -49.0, attempt=2), attempt=2)) == Ack(refused=False)


def test_what_other_means_stored_may_differ_also_after_an_attempt_that_stored_nothing(paths: SweepPaths):
    for attempt, (versions, value) in enumerate([("old", -50.0), ("new", None), ("new", -49.0)], 1):
        recorder = Recorder.open(paths, [FIRST])
        recorder.receive(begin(versions=versions))
        recorder.commit()  # the second is killed here
        if value:
            message = report(row(1, value, attempt=attempt), attempt=attempt)
            assert recorder.receive(message) == Ack(refused=False)
            recorder.commit()
    assert stored(paths) == [-49]


def test_what_an_attempt_by_the_same_means_stored_in_this_run_must_be_reproduced(recorder: Recorder):
    recorder.receive(begin())
    recorder.receive(report(row(1)))
    recorder.receive(begin())
    recorder.receive(begin())
    assert recorder.receive(report(row(1, -49.0, attempt=3), attempt=3)) == Ack(refused=True)


def test_an_epoch_whose_checkpoint_cannot_be_saved_has_no_row(
    recorder: Recorder, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    recorder.receive(begin())
    recorder.receive(report(row(1), row(2)))
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(CheckpointFiles, "save", broken)
        recorder.receive(report(row(3), checkpoint=b"weights"))
    recorder.release()
    recorder.commit()
    assert (len(stored(paths)), trial(paths)["status"]) == (2, "pending")


def test_a_crash_before_the_trial_table_leaves_it_no_wrong_checkpoint(
    recorder: Recorder, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    recorder.receive(begin())
    recorder.receive(report(row(1), checkpoint=b"1"))
    recorder.release()
    recorder.commit()  # names the first
    recorder.receive(begin())
    for epoch in (2, 3):
        recorder.receive(report(row(epoch), attempt=2, checkpoint=b"%d" % epoch))
    monkeypatch.setattr(TrialTable, "commit", lambda _: None)
    recorder.commit()
    monkeypatch.undo()
    Recorder.open(paths, [FIRST, OTHER])
    now = trial(paths)
    assert (now["status"], now["checkpoint_epoch"]) == ("done", 3)
    assert (paths.results / now["checkpoint"]).read_bytes() == b"3"


@pytest.mark.parametrize("value", [-50.0, NAN])
def test_a_trial_that_has_ended_does_not_begin_again(recorder: Recorder, paths: SweepPaths, value: float):
    recorder.receive(begin())
    recorder.receive(report(row(1), row(2), row(3, value)))
    status = recorder.row(FIRST.trial_id)["status"]
    assert recorder.receive(begin()) == Ack(refused=True)
    assert (recorder.row(FIRST.trial_id)["status"], recorder.row(FIRST.trial_id)["attempts"]) == (status, 1)
    recorder.commit()
    longer = Recorder.open(paths, [FIRST.model_copy(update={"epochs": 5})])
    assert longer.receive(begin()) == (Started(2, None) if status == Status.DONE else Ack(refused=True))


def test_a_begin_that_fails_is_no_attempt(recorder: Recorder, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(CheckpointFiles, "latest", broken)
        recorder.receive(begin())
    assert recorder.receive(begin()) == Started(1, None)


def test_an_epoch_that_is_not_finite_ends_the_trial_and_no_other(recorder: Recorder, paths: SweepPaths):
    for config in (FIRST, OTHER):
        recorder.receive(begin(config))
    recorder.receive(report(row(1), row(2, NAN)))
    assert recorder.receive(report(row(1, config=OTHER))) == Ack(refused=False)
    recorder.commit()
    now = trial(paths)
    assert (now["status"], now["reason"], now["epochs_done"]) == ("diverged", "not finite in epoch 2", 2)
    assert trial(paths, OTHER)["status"] == "running"
    assert pd.isna(stored(paths)[1])


@pytest.mark.parametrize(("value", "status"), [(-50.0, Status.DONE), (NAN, Status.DIVERGED)])
def test_a_trial_that_ended_by_its_rows_does_not_fail_afterwards(recorder: Recorder, value: float, status: Status):
    recorder.receive(begin())
    recorder.receive(report(row(1), row(2), row(3, value)))
    recorder.fail(FIRST.trial_id, "its process ended early")
    assert recorder.row(FIRST.trial_id)["status"] == status


def test_a_trial_whose_process_ended_early_failed_and_says_why(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.fail(FIRST.trial_id, "out of memory")
    recorder.commit()
    assert trial(paths)[["status", "reason"]].tolist() == ["failed", "out of memory"]
    recorder.receive(begin())  # tried again
    assert (recorder.row(FIRST.trial_id)["status"], recorder.row(FIRST.trial_id)["reason"]) == ("running", None)


def test_release_leaves_nothing_running_and_what_ended_as_it_is(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.receive(begin(OTHER))
    recorder.receive(report(*(row(epoch, config=OTHER) for epoch in (1, 2, 3))))
    recorder.release()
    recorder.commit()
    assert read_trials(paths.epochs)["status"].tolist() == ["pending", "done"]


def test_after_a_crash_nothing_counts_as_running(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.commit()
    Recorder.open(paths, [FIRST, OTHER])
    assert read_trials(paths.epochs)["status"].tolist() == ["pending", "pending"]


def test_rows_are_durable_before_the_trial_table_speaks_of_them(
    recorder: Recorder, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    recorder.receive(begin())
    recorder.commit()
    recorder.receive(report(row(1), row(2), row(3)))
    with monkeypatch.context() as patch:
        patch.setattr(EpochTable, "commit", broken)
        with pytest.raises(StorageError):
            recorder.commit()
    assert trial(paths)[["status", "epochs_done"]].tolist() == ["running", 0]
    recorder.commit()
    assert (len(stored(paths)), trial(paths)["status"]) == (3, "done")


def test_rows_whose_status_was_lost_settle_it_when_the_sweep_is_opened(
    recorder: Recorder, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    recorder.receive(begin())
    recorder.commit()
    recorder.receive(report(row(1), row(2), row(3)))
    monkeypatch.setattr(TrialTable, "commit", lambda _: None)
    recorder.commit()
    monkeypatch.undo()
    assert trial(paths)["status"] == "running"
    Recorder.open(paths, [FIRST, OTHER])
    assert trial(paths)[["status", "epochs_done"]].tolist() == ["done", 3]


def test_the_trial_table_removed_is_made_again_from_the_rows(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.receive(report(row(1), row(2, NAN)))
    recorder.commit()
    paths.trials.unlink()
    Recorder.open(paths, [FIRST, OTHER])
    assert read_trials(paths.epochs)[["status", "attempts"]].values.tolist() == [["diverged", 1], ["pending", 0]]


def test_more_epochs_make_a_finished_trial_pending_and_fewer_leave_it_done(recorder: Recorder, paths: SweepPaths):
    recorder.receive(begin())
    recorder.receive(report(row(1), row(2), row(3)))
    recorder.commit()
    for epochs, status in ((5, "pending"), (2, "done"), (3, "done"), (4, "pending")):
        Recorder.open(paths, [FIRST.model_copy(update={"epochs": epochs})])
        assert trial(paths)[["status", "epochs", "epochs_done"]].tolist() == [status, epochs, 3]


def test_a_trial_unknown_to_the_sweep_is_an_error(recorder: Recorder):
    with pytest.raises(KeyError):
        recorder.receive(replace(begin(), trial_id="0" * 12))


def test_a_trial_keeps_the_search_space_of_its_last_attempt_and_what_it_had_of_a_gpu(paths: SweepPaths):
    texts = ["name: tiny\n", "name: tiny\nseeds: 2\n"]
    for text, config in zip(texts, (FIRST, OTHER), strict=True):
        open_manifest(paths, text)
        recorder = Recorder.open(paths, [FIRST, OTHER])
        recorder.receive(replace(begin(config), gpu=0.25))
        recorder.commit()
    manifest = read_manifest(paths)
    ran_under = [manifest.search_space_named(trial(paths, config)["search_space"]) for config in (FIRST, OTHER)]
    assert (ran_under, trial(paths, OTHER)["gpu"]) == (texts, 0.25)


def attempts(paths: SweepPaths) -> pd.DataFrame:
    return pd.read_parquet(paths.attempts)


def test_every_attempt_is_on_record_before_it_trains_and_with_its_end(recorder: Recorder, paths: SweepPaths):
    recorder.receive(replace(begin(processor="A"), process="one"))
    recorder.commit()
    (first,) = attempts(paths).itertuples()
    assert (first.attempt, first.process, first.processor, pd.isna(first.end)) == (1, "one", "A", True)
    recorder.receive(replace(begin(processor="B", pack=[FIRST, OTHER]), process="two"))
    recorder.receive(report(row(1), row(2), row(3), attempt=2))
    recorder.receive(begin(OTHER))
    recorder.release(datetime(2025, 1, 1, tzinfo=UTC))
    recorder.commit()
    frame = attempts(paths).set_index(["trial_id", "attempt"])
    assert frame["end"].tolist() == ["interrupted", "done", "interrupted"]
    assert frame["pack"].nunique() == 3
    assert frame["ended"].isna().tolist() == [True, False, False]


def test_a_trial_table_that_counts_an_attempt_has_it_in_the_attempt_table(
    recorder: Recorder, paths: SweepPaths, monkeypatch: pytest.MonkeyPatch
):
    """Killed between the two: the attempt is begun again, under its number."""
    recorder.receive(begin())
    with monkeypatch.context() as patch:
        patch.setattr(TrialTable, "commit", broken)
        with pytest.raises(StorageError):
            recorder.commit()
    assert (trial(paths)["attempts"], attempts(paths)["attempt"].tolist()) == (0, [1])
    again = Recorder.open(paths, [FIRST, OTHER])
    assert again.receive(begin()) == Started(attempt=1, checkpoint=None)
    again.commit()
    assert (trial(paths)["attempts"], attempts(paths)["attempt"].tolist()) == (1, [1])


@pytest.mark.parametrize("name", ["host", "processor", "arithmetic", "threads", "versions", "engine"])
def test_an_epoch_recomputed_by_other_means_replaces_and_never_fails(recorder: Recorder, paths: SweepPaths, name: str):
    means = {
        "host": "h",
        "processor": "A",
        "threads": 1,
        "versions": "v",
        "engine": "eager",
    }  # no arithmetic, as before
    recorder.receive(begin(**means))
    recorder.receive(report(row(1), row(2)))
    other = 2 if name == "threads" else "other"
    recorder.receive(begin(**{**means, name: other}))
    assert recorder.receive(report(row(1, value=-49.0, attempt=2), attempt=2)) == Ack(refused=False)
    recorder.commit()
    assert stored(paths) == [-49.0]


def test_an_epoch_recomputed_by_the_means_of_any_earlier_attempt_on_record_must_be_the_same(
    recorder: Recorder, paths: SweepPaths
):
    """Also where attempts lie between that stored no row, and in another run."""
    recorder.receive(begin(processor="A", arithmetic="2 oneDNN"))
    recorder.receive(report(row(1)))
    recorder.receive(begin(processor="A", arithmetic="2 oneDNN"))
    recorder.commit()
    recorder = Recorder.open(paths, [FIRST, OTHER])
    recorder.receive(begin(processor="A", arithmetic="2 oneDNN"))
    assert recorder.receive(report(row(1, value=-49.0, attempt=3), attempt=3)) == Ack(refused=True)
    assert "must reproduce its stored epoch 1" in recorder.row(FIRST.trial_id)["reason"]


def test_of_attempts_whose_means_are_not_on_record_an_epoch_may_be_another(recorder: Recorder, paths: SweepPaths):
    """As those of 0.1.0, which kept the means of the last attempt only, without the processor."""
    recorder.receive(begin())
    recorder.receive(report(row(1)))
    recorder.commit()
    paths.attempts.unlink()
    recorder = Recorder.open(paths, [FIRST, OTHER])
    recorder.receive(begin())
    assert recorder.receive(report(row(1, value=-49.0, attempt=2), attempt=2)) == Ack(refused=False)
