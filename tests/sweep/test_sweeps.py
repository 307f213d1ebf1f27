"""Sweeps that grow, go on and fail in part, trained in this process: what is trained, and what is left as it is."""

import pandas as pd
from tiny import attempts, check, packs, space, statuses
from twin import sweep, table

from tmc_sweep.data import Images
from tmc_sweep.paths import SweepPaths
from tmc_sweep.records import Status
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.sweep.runner import run


def test_a_sweep_grows_by_epochs_seeds_and_values_and_trains_only_the_rest(digits: Images, paths: SweepPaths):
    first = space(("[1, 2]", "[1]"))
    before = check(run(first, paths.results, executor="inline"), first, digits)
    assert attempts(paths) == [1, 1]
    wanted = space(("epochs: 3", "epochs: 5"), ("seeds: 2", "seeds: 3"))
    frame = check(run(wanted, paths.results, executor="inline"), wanted, digits)
    assert attempts(paths) == [2, 2, 1, 1, 1, 1]
    known = frame.merge(before[["trial_id", "epoch"]])
    pd.testing.assert_frame_equal(known, before, check_exact=True)  # time and all


def test_a_resumed_sweep_trains_together_what_it_did_up_to_the_pack_that_is_asked_for(
    digits: Images, paths: SweepPaths
):
    first = space(("pack: 2", "pack: 3"), ("seeds: 2", "seeds: 4"), ("[1, 2]", "[1]"))
    run(first, paths.results, executor="inline")
    assert packs(paths, first) == [[0, 1, 2], [3]]
    more = [("seeds: 2", "seeds: [4, 3, 2, 1, 0]"), ("[1, 2]", "[1]"), ("epochs: 3", "epochs: 4")]
    wanted = space(*more)
    check(run(wanted, paths.results, executor="inline"), wanted, digits)
    assert packs(paths, wanted) == [[0, 1], [2], [3], [4]]


def test_trials_that_diverge_or_fail_stop_no_other_and_say_why(digits: Images, paths: SweepPaths):
    wanted = space(
        ("space: {K", "space: {lr: {grid_search: [1e-3, 10]}, K"),
        ("[1, 2]", "[1]"),
        ("batch_size: 64", "batch_size: 8"),
    )
    good, _, bad, _ = wanted.trials()
    sweep(paths, [good.model_copy(update={"epochs": 1})], digits)
    CheckpointFiles(paths).save(good.trial_id, 2, b"no checkpoint at all")
    result = run(wanted, paths.results, executor="inline")
    assert statuses(result) == [Status.FAILED, Status.DONE, Status.DIVERGED, Status.DIVERGED]
    assert result.failed[0].reason.count("\n") == 0
    assert f"a checkpoint of trial {good.trial_id} must name it" in result.failed[0].reason
    summary = result.summary.set_index("lr")
    assert summary["mean"].isna().all()
    assert (
        summary.loc[10, "reason"]
        == f"seed 0 diverged in epoch {len(table(paths.epochs).query('lr == 10 & seed == 0'))}"
    )
    assert summary.loc[1e-3, "reason"] == "seed 0 failed after epoch 1"
    before = attempts(paths)
    for file in paths.checkpoints.rglob("*.safetensors"):
        if b"no checkpoint" in file.read_bytes():
            file.unlink()
    again = run(wanted, paths.results, executor="inline")
    assert statuses(again) == [Status.DONE, Status.DONE, Status.DIVERGED, Status.DIVERGED]
    assert attempts(paths) == [before[0] + 1, *before[1:]]  # only the one that failed was tried again
    assert bad.trial_id in set(table(paths.epochs)["trial_id"])
