"""What is left to train, and in which packs."""

import pytest
from twin import small

from tmc_sweep.records import Status
from tmc_sweep.sweep.planner import missing, packs
from tmc_sweep.training import pack_key


@pytest.mark.parametrize(
    ("status", "epochs_done", "is_missing"),
    [
        (Status.PENDING, 0, True),
        (Status.PENDING, 3, False),  # fewer epochs are asked for now
        (Status.RUNNING, 1, True),
        (Status.FAILED, 2, True),
        (Status.DIVERGED, 2, False),
        (Status.STOPPED, 2, False),
        (Status.DONE, 3, False),
        (Status.DONE, 5, False),
        (Status.DONE, 2, True),
    ],
)
def test_what_is_missing_follows_from_the_status_and_the_epochs_done(status: Status, epochs_done: int, is_missing):
    config = small(epochs=3)
    rows = {config.trial_id: {"status": str(status), "epochs_done": epochs_done}}
    assert missing([config], rows) == [config] * is_missing


def test_a_trial_without_a_row_is_missing_and_the_order_is_kept():
    configs = [small(seed=seed) for seed in (2, 0, 1)]
    done = {configs[1].trial_id: {"status": "done", "epochs_done": 3}}
    assert missing(configs, done) == [configs[0], configs[2]]


def test_packs_hold_equal_shapes_up_to_their_size_in_the_order_of_their_first_members():
    configs = [small(K=k, lr=lr, seed=seed) for k in (1, 2) for lr in (1e-3, 1e-2) for seed in (0, 1)]
    by_k = packs(configs, lambda _: 3, pack_key)
    assert [[(c.K, c.lr, c.seed) for c in group] for group in by_k] == [
        [(1, 1e-3, 0), (1, 1e-3, 1), (1, 1e-2, 0)],
        [(1, 1e-2, 1)],
        [(2, 1e-3, 0), (2, 1e-3, 1), (2, 1e-2, 0)],
        [(2, 1e-2, 1)],
    ]
    assert [len(group) for group in packs(configs, lambda _: 1, pack_key)] == [1] * 8
    assert packs([], lambda _: 4, pack_key) == []


def test_packs_are_made_across_cells_that_alternate():
    configs = [small(K=k, seed=seed) for seed in (0, 1) for k in (1, 2)]
    assert [[(c.K, c.seed) for c in group] for group in packs(configs, lambda _: 9, pack_key)] == [
        [(1, 0), (1, 1)],
        [(2, 0), (2, 1)],
    ]


def test_the_size_is_asked_once_per_key_of_all_trials_that_are_in_no_pack_yet():
    configs = [small(K=k, seed=seed) for k in (1, 2) for seed in (0, 1, 2)]
    asked = []

    def size(group):
        asked.append([(c.K, c.seed) for c in group])
        return len(group)

    packs(configs, size, pack_key, [[configs[1].trial_id]])
    assert asked == [[(1, 0), (1, 2)], [(2, 0), (2, 1), (2, 2)]]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, [[4, 1, 3], [0, 5], [6]]),
        (9, [[4, 1, 3], [0, 5], [6]]),
        (2, [[4, 1], [3], [0, 5], [6]]),
        (1, [[4], [1], [3], [0, 5], [6]]),
    ],
)
def test_what_was_packed_together_is_again_up_to_a_limit_and_the_rest_anew(limit, expected):
    configs = [small(seed=seed) for seed in (0, 1, 3, 4, 5, 6)]
    recorded = [[small(seed=seed).trial_id for seed in seeds] for seeds in ((4, 2, 1, 3), (7, 8))]  # 2, 7, 8 are done
    groups = packs(configs, lambda _: 2, pack_key, recorded, limit)
    assert sorted([c.seed for c in group] for group in groups) == sorted(expected)


def test_packs_recorded_and_new_are_in_the_order_of_their_first_members():
    configs = [small(seed=seed) for seed in range(4)]
    groups = packs(configs, lambda _: 1, pack_key, [[configs[1].trial_id, configs[3].trial_id]])
    assert [[c.seed for c in group] for group in groups] == [[0], [1, 3], [2]]
