"""What `auto` comes to: pack sizes, shares of a GPU and engines, from given costs."""

import math
from collections.abc import Callable

import pytest
from twin import small

from tmc_sweep.config import TrialConfig
from tmc_sweep.costs import Cost, Engine
from tmc_sweep.errors import CannotRunError
from tmc_sweep.shapes import pack_key
from tmc_sweep.space.schema import Resources
from tmc_sweep.sweep.packing import Packer, PackPlan, packs

TWO_CORES = [{"CPU": 2.0}]
ONE_GPU = [{"CPU": 16.0, "GPU": 1.0}]
GIB = 2**30


def measuring(
    first: float, each: float, *, busy: float = 0.001, memory: int = GIB, compiled: float | None = None
) -> Callable[..., Cost]:
    """Steps of `first` seconds plus `each` per member; on a GPU of 80 GiB, `memory` a member."""

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        if engine == "compiled" and compiled is None:
            raise CannotRunError("no compiler")
        seconds = compiled if engine == "compiled" and compiled is not None else first + each * members
        return Cost(seconds, busy * members, members * memory, 80 * GIB, seconds)

    return measure


def never(*_: object) -> Cost:
    pytest.fail("measured")


def trials(n: int, **fields: object) -> list[TrialConfig]:
    return [small(seed=seed, **fields) for seed in range(n)]


def sizes(plans: list[PackPlan]) -> list[int]:
    return [len(plan.trials) for plan in plans]


@pytest.mark.parametrize(
    ("first", "each", "n", "expected"),
    [
        (1.0, 0.0, 12, [6, 6]),  # members cost nothing: one pack a core
        (0.0, 1.0, 12, [1] * 12),  # packing gains nothing
        (0.04, 1.0, 12, [1] * 12),  # or next to nothing
        (0.4, 0.6, 12, [3, 3, 3, 3]),  # 2 × 2.2 s is within a tenth of 4.0 s
        (1.0, 0.0, 2, [1, 1]),  # a core each
        (1.0, 0.0, 3, [2, 1]),
    ],
)
def test_packs_are_as_small_as_nearly_the_fastest(first: float, each: float, n: int, expected: list[int]):
    plans = Packer(Resources(), TWO_CORES, measuring(first, each)).plan(trials(n))
    assert sizes(plans) == expected
    assert {(plan.cpu, plan.gpu, plan.engine) for plan in plans} == {(1.0, 0.0, "eager")}


def test_a_few_members_measured_faster_than_one_do_not_make_many_free_of_cost():
    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        seconds = 1.0 if members == 1 else 0.9
        return Cost(seconds, seconds, 0, 0, seconds)

    assert sizes(Packer(Resources(), TWO_CORES, measure).plan(trials(250))) == [125, 125]


@pytest.mark.parametrize("head", [{"GPU": 8.0}, {"CPU": 0.0, "GPU": 8.0}])
def test_a_node_without_cores_is_left_aside(head: dict[str, float]):
    measure = measuring(1.0, 0.0, busy=0.5, memory=0)
    (plan,) = Packer(Resources(), [head, *ONE_GPU], measure).plan(trials(1, epochs=1))
    assert plan.gpu == 0.5
    (plan,) = Packer(Resources(), [head, *TWO_CORES], never).plan(trials(1, epochs=1))
    assert plan.gpu == 0.0


def test_trials_of_many_shapes_share_the_cores():
    configs = [config for K in (1, 2, 3) for config in trials(2, K=K)]
    assert sizes(Packer(Resources(), TWO_CORES, measuring(1.0, 0.1)).plan(configs)) == [2, 2, 2]
    assert sizes(Packer(Resources(), [{"CPU": 64.0}], measuring(1.0, 0.1)).plan(configs)) == [1] * 6


@pytest.mark.parametrize("n", [1, 2])
def test_nothing_is_measured_where_each_trial_has_a_core(n: int):
    assert sizes(Packer(Resources(), TWO_CORES, never).plan(trials(n))) == [1] * n


def test_nothing_is_measured_where_nothing_is_auto():
    for gpu in (0, 0.5):
        resources = Resources(gpu=gpu, pack=2, engine="compiled")
        plans = Packer(resources, ONE_GPU, never).plan(trials(5))
        assert sizes(plans) == [2, 2, 1]
        assert {(plan.gpu, plan.engine) for plan in plans} == {(gpu, "compiled")}


def test_a_shape_is_measured_once_for_one_member_and_once_for_a_few():
    asked = []

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        asked.append((config.K, members))
        return Cost(1.0, 1.0, 0, 0, 1.0)

    configs = [small(K=K, seed=seed, lr=lr) for K in (1, 2) for seed in (0, 1, 2) for lr in (1e-3, 1e-2)]
    Packer(Resources(), TWO_CORES, measure).plan(configs)
    assert sorted(asked) == [(1, 1), (1, 3), (2, 1), (2, 3)]


def test_recorded_packs_stay_whole_unless_smaller_ones_are_asked_for():
    configs = trials(6)
    recorded = [[config.trial_id for config in configs[:3]]]
    assert sizes(Packer(Resources(), TWO_CORES, measuring(0.0, 1.0)).plan(configs, recorded)) == [3, 1, 1, 1]
    assert sizes(Packer(Resources(pack=2), TWO_CORES, never).plan(configs, recorded)) == [2, 1, 2, 1]


@pytest.mark.parametrize(
    ("busy", "memory", "cpu", "expected"),
    [
        (0.4, 0, 1.0, 0.5),  # of its time: two of them, not two and a half
        (0.26, 0, 1.0, 0.3333),
        (1.0, 0, 1.0, 1.0),
        (0.0, 20 * GIB, 1.0, 0.3333),  # of its memory: 0.5 + 1.2 × 20 GiB of 80
        (0.0, 90 * GIB, 1.0, 1.0),
        (0.0, 0, 4.0, 0.25),  # of its host's cores
        (0.0, 0, 1.0, 0.0625),
    ],
)
def test_the_share_of_a_gpu_is_the_largest_of_three(busy: float, memory: int, cpu: float, expected: float):
    measure = measuring(1.0, 0.0, busy=busy, memory=memory)
    (plan,) = Packer(Resources(cpu=cpu), ONE_GPU, measure).plan(trials(1, epochs=1))
    assert (plan.cpu, plan.gpu, plan.engine) == (cpu, expected, "eager")


def test_on_a_gpu_packs_grow_where_its_hosts_cores_are_what_binds():
    """A pack of n takes 0.9 + 0.1 n seconds, a tenth of them per member on the GPU."""
    measure, configs = measuring(0.9, 0.1, busy=0.1, memory=0), trials(40, epochs=1)
    few_cores = Packer(Resources(cpu=4.0), ONE_GPU, measure).plan(configs)
    assert sizes(few_cores) == [*13 * [3], 1]  # four at once: 4 × 1.2 s, against 10 × 1.0 s of single ones
    assert few_cores[0].gpu == 0.25
    many_cores = Packer(Resources(cpu=1.0), ONE_GPU, measure).plan(configs)
    assert sizes(many_cores) == [1] * 40  # ten at once
    assert many_cores[0].gpu == 0.1


def test_a_pack_whose_probe_ran_out_of_memory_is_not_made():
    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        return (
            Cost(1.0, 1.0, GIB, 80 * GIB, 1.0) if members == 1 else Cost(math.inf, math.inf, 2**62, 80 * GIB, math.inf)
        )

    assert sizes(Packer(Resources(), ONE_GPU, measure).plan(trials(4, epochs=1))) == [1] * 4


@pytest.mark.parametrize(
    ("epochs", "compiled", "expected"),
    [(1, 0.1, "eager"), (10_000, 0.1, "compiled"), (10_000, 2.0, "eager"), (10_000, None, "eager")],
)
def test_on_a_gpu_a_long_training_is_compiled_where_that_is_faster(epochs: int, compiled: float | None, expected: str):
    measure = measuring(1.0, 0.0, compiled=compiled)
    (plan,) = Packer(Resources(), ONE_GPU, measure).plan(trials(1, epochs=epochs))
    assert plan.engine == expected
    (plan,) = Packer(Resources(), TWO_CORES, never).plan(trials(1, epochs=epochs))
    assert plan.engine == "eager"
    (plan,) = Packer(Resources(engine="eager"), ONE_GPU, measure).plan(trials(1, epochs=epochs))
    assert plan.engine == "eager"


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
