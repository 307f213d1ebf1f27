"""What `auto` comes to: pack sizes, shares of a GPU and engines, from given costs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

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
    first: float,
    each: float,
    *,
    memory: int = GIB,
    context: int = 0,
    gains: Mapping[int, float] = MappingProxyType({}),
    compiled: float | None = None,
) -> Callable[..., Cost]:
    """Steps of `first` seconds plus `each` per member; on a GPU of 80 GiB, `memory` a member beside the `context`.

    `gains`: how much more processes get done together than one; where it does not say, as much.
    """

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        if engine == "compiled" and compiled is None:
            raise CannotRunError("no compiler")
        seconds = compiled if engine == "compiled" and compiled is not None else first + each * members
        processes = round(1 / gpu) if 0 < gpu < 1 else 1
        seconds *= processes / gains.get(processes, 1.0)
        return Cost(seconds, seconds, members * memory, context, 80 * GIB)

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
        return Cost(seconds, seconds)

    assert sizes(Packer(Resources(), TWO_CORES, measure).plan(trials(250))) == [125, 125]


@pytest.mark.parametrize("head", [{"GPU": 8.0}, {"CPU": 0.0, "GPU": 8.0}])
def test_a_node_without_cores_is_left_aside(head: dict[str, float]):
    (plan,) = Packer(Resources(), [head, *ONE_GPU], measuring(1.0, 0.0)).plan(trials(1, epochs=1))
    assert plan.gpu == 1.0
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
        return Cost(1.0, 1.0)

    configs = [small(K=K, seed=seed, lr=lr) for K in (1, 2) for seed in (0, 1, 2) for lr in (1e-3, 1e-2)]
    Packer(Resources(), TWO_CORES, measure).plan(configs)
    assert sorted(asked) == [(1, 1), (1, 3), (2, 1), (2, 3)]


def test_recorded_packs_stay_whole_unless_smaller_ones_are_asked_for():
    configs = trials(6)
    recorded = [[config.trial_id for config in configs[:3]]]
    assert sizes(Packer(Resources(), TWO_CORES, measuring(0.0, 1.0)).plan(configs, recorded)) == [3, 1, 1, 1]
    assert sizes(Packer(Resources(pack=2), TWO_CORES, never).plan(configs, recorded)) == [2, 1, 2, 1]


@pytest.mark.parametrize("gains", [{}, {2: 2.0, 4: 4.0, 8: 8.0}])
@pytest.mark.parametrize("share", [0.07, 0.25, 0.3, 1, 2])
def test_a_share_that_is_asked_for_is_given_exactly_whatever_packs_cost(share: float, gains: dict[int, float]):
    for memory in (0, 10 * GIB, 70 * GIB):
        measure = measuring(0.9, 0.1, memory=memory, gains=gains, compiled=0.1)
        for resources in (Resources(gpu=share), Resources(gpu=share, alone=True), Resources(gpu=share, pack=3)):
            plans = Packer(resources, [{"CPU": 16.0, "GPU": 2.0}], measure).plan(trials(9))
            assert {plan.gpu for plan in plans} == {share}
            plans = Packer(resources, ONE_GPU, measure, cells_apart=True).plan(trials(9))
            assert {plan.gpu for plan in plans} == {share}


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ({}, 1.0),  # processes that take turns, as without MPS
        ({2: 0.96, 4: 0.9}, 1.0),
        ({2: 1.09, 4: 3.0}, 1.0),  # what two do not gain, four are not asked for
        ({2: 1.1}, 0.5),
        ({2: 1.2, 4: 1.3}, 0.5),  # 1.08 of it is not worth half the memory
        ({2: 1.9, 4: 3.5, 8: 3.6}, 0.25),
        ({2: 1.9, 4: 3.5, 8: 6.0}, 0.125),
    ],
)
def test_a_gpu_is_shared_only_by_as_many_as_were_measured_to_gain_by_it(gains: dict[int, float], expected: float):
    resources = Resources(pack=1)
    plans = Packer(resources, ONE_GPU, measuring(1.0, 0.0, gains=gains)).plan(trials(40, epochs=1))
    assert {plan.gpu for plan in plans} == {expected}


@pytest.mark.parametrize(
    ("n", "memory", "context", "cpu", "expected"),
    [
        (1, 0, 0, 1.0, 1.0),  # nobody waits
        (2, 0, 0, 1.0, 0.5),
        (4, 0, 0, 1.0, 0.25),
        (40, 30 * GIB, 0, 1.0, 0.5),  # of its memory: 1.2 × 30 GiB of 80
        (40, 30 * GIB, 5 * GIB, 1.0, 1.0),  # and the context
        (40, 0, 0, 4.0, 0.25),  # of its host's 16 cores
        (40, 0, 0, 9.0, 1.0),
        (40, 0, 0, 1.0, 0.125),
    ],
)
def test_no_more_share_a_gpu_than_wait_for_it_and_it_holds(
    n: int, memory: int, context: int, cpu: float, expected: float
):
    measure = measuring(1.0, 0.0, memory=memory, context=context, gains={2: 2.0, 4: 4.0, 8: 8.0})
    plans = Packer(Resources(cpu=cpu, pack=1), ONE_GPU, measure).plan(trials(n, epochs=1))
    assert {(plan.cpu, plan.gpu) for plan in plans} == {(cpu, expected)}
    alone = Packer(Resources(cpu=cpu, alone=True), ONE_GPU, measure).plan(trials(n, epochs=1))
    assert {plan.gpu for plan in alone} == {1.0}


def test_a_gpu_that_admits_one_process_alone_is_not_shared():
    alone = measuring(1.0, 0.0, gains={2: 2.0})

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        if gpu < 1:
            raise CannotRunError("CUDA-capable devices are busy or unavailable")
        return alone(config, members, gpu, engine)

    plans = Packer(Resources(pack=1), ONE_GPU, measure).plan(trials(4, epochs=1))
    assert {plan.gpu for plan in plans} == {1.0}


def test_cells_of_a_search_share_a_gpu_though_they_come_one_by_one():
    measure = measuring(1.0, 0.0, memory=0, gains={2: 2.0})
    (plan,) = Packer(Resources(), ONE_GPU, measure, cells_apart=True).plan(trials(3, epochs=1))
    assert (len(plan.trials), plan.gpu) == (3, 0.5)


def test_on_a_gpu_packs_grow_before_it_is_shared_and_as_far_as_its_memory_goes():
    """A pack of n takes 0.9 + 0.1 n seconds, and two processes get twice as much done: forty in one get 8 times."""
    configs = trials(40, epochs=1)
    assert sizes(Packer(Resources(), ONE_GPU, measuring(0.9, 0.1, gains={2: 2.0})).plan(configs)) == [40]
    (of_ten, *_) = plans = Packer(Resources(), ONE_GPU, measuring(0.9, 0.1, memory=6 * GIB)).plan(configs)
    assert (sizes(plans), of_ten.gpu) == ([10] * 4, 1.0)  # 1.2 × 60 GiB of 80
    with_context = measuring(0.9, 0.1, memory=6 * GIB, context=16 * GIB)
    assert max(sizes(Packer(Resources(), ONE_GPU, with_context).plan(configs))) == 8


def test_the_size_of_packs_follows_from_the_engine_that_will_run():
    """Eager members cost nothing more, compiled ones as much as the first."""

    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        return Cost(0.1 * members if engine == "compiled" else 1.0, 0.0, 0, 0, 80 * GIB)

    for epochs, engine, size in ((1, "eager", 4), (10_000, "compiled", 1)):
        plans = Packer(Resources(), ONE_GPU, measure).plan(trials(4, epochs=epochs))
        assert {(plan.engine, len(plan.trials)) for plan in plans} == {(engine, size)}


def test_a_pack_whose_probe_ran_out_of_memory_is_not_made():
    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        return Cost(1 / gpu, 1.0, GIB, 0, 80 * GIB) if members == 1 else Cost(math.inf, math.inf)

    plans = Packer(Resources(), ONE_GPU, measure).plan(trials(4, epochs=1))
    assert (sizes(plans), {plan.gpu for plan in plans}) == ([1] * 4, {1.0})
    plans = Packer(Resources(pack=2), ONE_GPU, measure).plan(trials(4, epochs=1))
    assert (sizes(plans), {plan.gpu for plan in plans}) == ([2] * 2, {1.0})


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


@pytest.mark.parametrize(
    ("epochs", "seconds", "disagrees", "expected"),
    [
        (1, {"graph": 0.3, "compiled": 0.1}, (), "eager"),  # 2 seconds: nothing is tried
        (100, {"graph": 0.3, "compiled": 0.1}, (), "graph"),  # too short to compile
        (1000, {"graph": 0.3, "compiled": 0.1}, (), "compiled"),
        (1000, {"graph": 0.3, "compiled": 0.4}, (), "graph"),
        (1000, {"graph": 0.3, "compiled": 0.1}, ("compiled",), "graph"),
        (1000, {"graph": 0.3, "compiled": 0.1}, ("graph", "compiled"), "eager"),
        (1000, {"graph": 0.3}, (), "graph"),
        (1000, {"compiled": 0.1}, (), "compiled"),
        (1000, {}, (), "eager"),
    ],
)
def test_on_a_gpu_the_fastest_engine_that_gives_eagers_numbers_there_is_used(
    epochs: int, seconds: dict[Engine, float], disagrees: Sequence[Engine], expected: str
):
    def measure(config: TrialConfig, members: int, gpu: float, engine: Engine) -> Cost:
        if engine != "eager" and engine not in seconds:
            raise CannotRunError("it cannot be captured")
        cost = Cost(seconds.get(engine, 1.0), 0.0, GIB, 0, 80 * GIB)
        return replace(cost, agrees=engine not in disagrees)

    (plan,) = Packer(Resources(), ONE_GPU, measure).plan(trials(1, epochs=epochs))
    assert plan.engine == expected


def test_a_processor_has_no_graphs_and_compiles_only_if_asked_to():
    for asked, used in (("auto", "eager"), ("graph", "eager"), ("compiled", "compiled")):
        (plan,) = Packer(Resources(engine=asked), TWO_CORES, never).plan(trials(1, epochs=10_000))
        assert plan.engine == used


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
