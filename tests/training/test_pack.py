"""A pack's protocol against a naive loop, and what its members share with their solo runs: every bit, or next to it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, repeat

import numpy as np
import pytest
import reference
import torch
from bits import cases
from runs import MULTIPLES_OF_4, SHAPES, as_table, assert_same_state, configured, outcomes, pack_of, run

from tmc_sweep import products
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split
from tmc_sweep.models import Model
from tmc_sweep.shapes import pack_key
from tmc_sweep.training import Pack, TrialState, randomness, step
from tmc_sweep.training.randomness import Purpose, binarized, generator


@contextmanager
def watched() -> Iterator[list[torch.Tensor]]:
    """What models are shown while inside, batch by batch: [member, image, pixel]."""
    seen, score = [], Model.score
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "score", lambda self, values, x, *rest: seen.append(x) or score(self, values, x, *rest))
        yield seen


def naive_epoch(config: TrialConfig, images: torch.Tensor) -> tuple[TrialState, float, float]:
    """The first epoch as the article's protocol reads: summed loss, torch's Adam, one batch after the other."""
    start = TrialState.initial(config)
    parameters = {name: value.clone().requires_grad_() for name, value in start.parameters.items()}
    adam = torch.optim.Adam(parameters.values(), lr=config.lr, betas=(0.9, 0.999), eps=config.adam_eps)
    order = torch.randperm(len(images), generator=generator(config.seed, Purpose.DATA_ORDER, 1))
    noise = generator(config.seed, Purpose.TRAINING_NOISE, 1)
    bound = {"iwae": reference.enumerated_iwae, "tmc": reference.enumerated_tmc}[config.objective]
    total, norms = 0.0, []
    for index in order.split(config.batch_size):
        x = images[index] / 255
        eps = [torch.randn(len(x), config.K, width, generator=noise) for width in config.architecture.latents]
        _, log_p, log_q = reference.factors(config, parameters, x, eps)
        loss = -bound(log_p, log_q).sum()
        adam.zero_grad()
        loss.backward()
        norms.append(math.sqrt(sum(value.grad.square().sum().item() for value in parameters.values())))
        adam.step()
        total -= loss.item()
    return replace(start, parameters=parameters), total / len(images), sum(norms) / len(norms)


@pytest.mark.parametrize("objective", ["iwae", "tmc"])
@pytest.mark.parametrize("name", ["small", "factorised", "clustering"])
def test_an_epoch_equals_the_protocol_written_naively(digits: Images, name: str, objective: str):
    config = configured(**SHAPES[name] | {"objective": objective, "adam_eps": 1e-2})
    expected, objective_mean, grad_norm = naive_epoch(config, torch.tensor(digits.train[:157]))
    pack = pack_of(digits, config)
    pack.train_epoch()
    start, state = TrialState.initial(config), pack.state(0)
    for key, value in state.parameters.items():
        moved, wanted = value - start.parameters[key], (expected.parameters[key] - start.parameters[key]).detach()
        torch.testing.assert_close(moved, wanted, rtol=1e-3, atol=2e-5, msg=lambda text, key=key: f"{key}: {text}")
    assert state.history[0].train_objective == pytest.approx(objective_mean, rel=1e-5)
    assert state.history[0].grad_norm == pytest.approx(grad_norm, rel=1e-4)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("K", [1, 3, 4])
def test_members_equal_their_solo_runs(digits: Images, name: str, K: int):
    own = ({"seed": 0, "lr": 1e-3}, {"seed": 1, "lr": 1e-2}, {"seed": 2, "lr": 1e-3, "adam_eps": 1e-8})
    configs = [configured(**SHAPES[name], K=K, **fields) for fields in own]
    pack = pack_of(digits, *configs)
    pack.train_epoch()
    for index, config in enumerate(configs):
        (solo,) = run(digits, config, epochs=1)
        assert_same_state(pack.state(index), solo, rtol=0.0 if name in MULTIPLES_OF_4 else 1e-3)


@pytest.mark.long
@pytest.mark.parametrize("by_onednn", [False, True])
@pytest.mark.parametrize(("name", "config"), list(cases()), ids=[name for name, _ in cases()])
def test_members_of_every_kind_equal_their_solo_runs(
    name: str, config: TrialConfig, by_onednn: bool, digits: Images, monkeypatch: pytest.MonkeyPatch
):
    """Whoever makes the products, small ones too; the last batch is odd."""
    if name.startswith("clustering"):
        pytest.skip("clustering's trials train alone: its widths are no multiples of 4")
    monkeypatch.setattr(products, "_ONEDNN", by_onednn)
    monkeypatch.setattr(products, "_PAYS", 2**16)
    configs = [config.model_copy(update={"seed": seed, "train_images": 57}) for seed in range(3)]
    for state, alone in zip(run(digits, *configs, epochs=1), configs, strict=True):
        assert_same_state(state, run(digits, alone, epochs=1)[0])


@pytest.mark.parametrize("K", [1, 3])
def test_members_of_mnists_shape_equal_their_solo_runs(K: int):
    """A row of 784 is no multiple of what a processor takes at once, and longer than one product of its factors."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (157, 784), dtype=torch.uint8, generator=generator)
    data = Split(images[:93], images[:0], images[93:])
    configs = [configured(data="mnist", architecture={"latents": [12, 4]}, K=K, seed=seed) for seed in (0, 1, 2)]
    packs = [
        Pack([TrialState.initial(config) for config in group], data)
        for group in (configs, *([config] for config in configs))
    ]
    for pack in packs:
        pack.train_epoch()
    for index, alone in enumerate(packs[1:]):
        assert_same_state(packs[0].state(index), alone.state(0))


def test_members_keep_their_own_epochs_and_initial_values(digits: Images):
    ahead, behind = configured(seed=1), configured(seed=2, init="torch")
    (state,) = run(digits, ahead, epochs=1)
    pack = Pack([state, TrialState.initial(behind)], Split.of(digits, ahead), attempts=[2, 1])
    records = pack.train_epoch()
    assert [(record.epoch, record.attempt, record.trial_id) for record in records] == [
        (2, 2, ahead.trial_id),
        (1, 1, behind.trial_id),
    ]
    assert_same_state(pack.state(0), run(digits, ahead, epochs=2)[0])
    assert_same_state(pack.state(1), run(digits, behind, epochs=1)[0])


def spoiled(config: TrialConfig) -> TrialState:
    state = TrialState.initial(config)
    state.parameters["p.0.heads.0.bias"][0, 0] = math.inf
    return state


def test_a_diverging_member_leaves_the_others_as_they_were(digits: Images):
    configs = [configured(seed=seed) for seed in (0, 1, 2)]
    states = [TrialState.initial(configs[0]), spoiled(configs[1]), TrialState.initial(configs[2])]
    pack = Pack(states, Split.of(digits, configs[0]))
    for _ in range(2):
        pack.train_epoch()
    for index in (0, 2):
        assert_same_state(pack.state(index), run(digits, configs[index])[0])


def test_a_diverged_member_writes_a_row_of_nan_and_is_finished(digits: Images):
    pack = Pack([spoiled(configured(validation_images=9))], Split.of(digits, configured(validation_images=9)))
    (record,) = pack.train_epoch()
    assert record.epoch == 1
    assert all(value is not None and math.isnan(value) for value in record.outcome())
    assert pack.state(0).diverged
    assert pack.state(0).finished


def test_a_member_is_left_as_it_was_before_the_fatal_step(digits: Images):
    state = spoiled(configured())
    before = {name: value.clone() for name, value in state.parameters.items()}
    pack = Pack([state], Split.of(digits, configured()))
    pack.train_epoch()
    assert all(torch.equal(value, before[name]) for name, value in pack.state(0).parameters.items())
    assert all(moments["step"] == 0 for moments in pack.state(0).adam.values())


def test_on_a_cpu_an_epoch_ends_once_all_members_have_diverged(digits: Images):
    config = configured(validation_images=9)
    with watched() as seen:
        Pack([spoiled(config), spoiled(config)], Split.of(digits, config)).train_epoch()
    assert len(seen) == 1
    with watched() as seen:
        Pack([spoiled(config), TrialState.initial(config)], Split.of(digits, config)).train_epoch()
    assert len(seen) == 6


def test_a_gradient_that_is_not_finite_ends_a_member_whose_objective_still_is(digits: Images):
    pack = pack_of(digits, configured(seed=0), configured(seed=1))
    of_second = torch.tensor([0.0, math.nan])[:, None, None]
    pack.parameters["p.0.first.weight"].register_hook(lambda gradient: gradient + of_second)
    first, second = pack.train_epoch()
    assert not first.diverged
    assert all(math.isnan(value) for value in second.outcome() if value is not None)
    start = TrialState.initial(configured(seed=1)).parameters
    assert all(torch.equal(value, start[name]) for name, value in pack.state(1).parameters.items())


def test_a_huge_learning_rate_ends_as_diverged_or_finite_but_never_as_infinite(digits: Images):
    pack = pack_of(digits, configured(lr=10.0, seed=0), configured(lr=1e-3, seed=1))
    for _ in range(3):
        wild, tame = pack.train_epoch()
    assert not any(math.isinf(value) for value in wild.outcome() if value is not None)
    assert not tame.diverged


def test_every_column_is_filled(digits: Images):
    (with_validation,) = pack_of(digits, configured(validation_images=20, objective="iwae")).train_epoch()
    (without,) = pack_of(digits, configured(objective="iwae")).train_epoch()
    assert all(math.isfinite(value) for value in with_validation.outcome())
    assert with_validation.val_objective == with_validation.val_iwae != with_validation.test_iwae
    assert without.test_objective == without.test_iwae
    assert [without.val_elbo, without.val_iwae, without.val_tmc, without.val_objective] == [None] * 4
    assert 0 < without.eval_seconds < without.epoch_seconds
    assert without.peak_memory_bytes > 2**20
    assert without.time.tzinfo is not None


def test_the_bounds_of_a_row_are_taken_on_the_same_samples(digits: Images):
    (record,) = pack_of(digits, configured(K=1)).train_epoch()
    assert record.test_elbo == pytest.approx(record.test_iwae, abs=1e-5)
    assert record.test_elbo == pytest.approx(record.test_tmc, abs=1e-4)
    (record,) = pack_of(digits, configured(K=4)).train_epoch()
    assert record.test_elbo < record.test_iwae


def test_the_test_columns_are_the_mean_over_the_test_images_in_order(digits: Images):
    config = configured(eval_k=2, validation_images=9, objective="iwae")
    (state,) = run(digits, config, epochs=1)
    for split, images, purpose in (
        ("test", digits.test[:77], Purpose.TEST_NOISE),
        ("val", digits.train[157:166], Purpose.VALIDATION_NOISE),
    ):
        noise, bounds = generator(config.seed, purpose, 1), []
        for x in (torch.tensor(images) / 255).split(64):
            eps = [torch.randn(len(x), 2, width, generator=noise) for width in config.architecture.latents]
            bounds.append(reference.enumerated_iwae(*reference.factors(config, state.parameters, x, eps)[1:]))
        expected = torch.cat(bounds).double().mean().item()
        assert getattr(state.history[0], f"{split}_iwae") == pytest.approx(expected, rel=1e-5)


def test_every_epoch_has_an_order_and_noise_of_its_own(digits: Images):
    (state,) = run(digits, configured(lr=1e-30))
    first, second = state.history
    assert first.train_objective != second.train_objective
    assert first.test_tmc != second.test_tmc


@pytest.mark.parametrize("change", [{"eval_k": 7}, {"test_images": 11}])
def test_evaluation_never_disturbs_training(digits: Images, change: dict[str, int]):
    (plain,), (changed,) = run(digits, configured()), run(digits, configured(**change))
    assert [r.train_objective for r in plain.history] == [r.train_objective for r in changed.history]
    assert [r.test_tmc for r in plain.history] != [r.test_tmc for r in changed.history]
    torch.testing.assert_close(changed.parameters, plain.parameters, rtol=0, atol=0)


def test_iwae_and_tmc_of_one_seed_share_their_order_and_noise(digits: Images):
    one_latent = {"architecture": "ablation", "K": 4, "lr": 1e-4}  # where the two bounds are one function
    (iwae,), (tmc,) = (run(digits, configured(**one_latent, objective=name)) for name in ("iwae", "tmc"))
    torch.testing.assert_close(as_table(iwae), as_table(tmc), rtol=1e-6, atol=0)
    (other,) = run(digits, configured(**one_latent, objective="tmc", seed=1))
    assert abs(other.history[0].train_objective - tmc.history[0].train_objective) > 1e-2


def test_an_estimator_changes_the_gradient_and_no_value(digits: Images):
    fields = {"objective": "iwae", "lr": 1e-30}  # nothing moves
    (std,), (dregs,) = (run(digits, configured(**fields, gradient=name), epochs=1) for name in ("std", "dregs"))
    first, second = (state.history[0] for state in (std, dregs))
    assert (first.train_objective, first.test_tmc) == (second.train_objective, second.test_tmc)
    assert first.grad_norm != second.grad_norm


@pytest.mark.parametrize("binarize", ["dynamic", "static"])
def test_binarised_runs_differ_from_each_other_and_from_real_pixels(digits: Images, binarize: str):
    first, second = (outcomes(run(digits, configured(binarize=name), epochs=1)[0]) for name in ("none", binarize))
    assert first != second


def test_dynamic_binarisation_is_drawn_anew_with_the_pixels_as_probabilities(digits: Images):
    x = torch.tensor(digits.train[:1]).expand(1, 4000, -1) / 255
    drawn = binarized(x, "dynamic", [generator(0, Purpose.TRAINING_PIXELS)])
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(1), x.mean(1), rtol=0, atol=0.05)


OF = ("NOISE", "PIXELS")
DYNAMIC = {"binarize": "dynamic", "validation_images": 20, "objective": "iwae"}


def shown(images: Images, *configs: TrialConfig) -> list[torch.Tensor]:
    """What the members' models are shown in an epoch, batch by batch: [member, image, pixel]."""
    with watched() as seen:
        pack_of(images, *configs).train_epoch()
    return seen


@pytest.mark.parametrize(
    "change",
    [
        {"K": 7},
        {"eval_k": 9},
        {"architecture": "ablation"},
        {"architecture": {"latents": [5, 3]}},
        {"proposal": "factorised"},
        {"gradient": "dregs"},
        {"objective": "tmc"},
        {"lr": 0.1},
    ],
    ids=str,
)
def test_pixels_depend_on_no_samples_widths_or_weights(digits: Images, change: dict[str, object]):
    first, other = (shown(digits, configured(**{**DYNAMIC, **fields})) for fields in ({}, change))
    assert [x.shape[1] for x in first] == [64, 64, 29, 20, 64, 13]
    assert all(torch.equal(x, y) for x, y in zip(first, other, strict=True))


def test_pixels_depend_on_no_place_in_a_pack(digits: Images):
    configs = [configured(**DYNAMIC, seed=seed) for seed in (2, 0, 1)]
    together = shown(digits, *configs)
    for place, config in enumerate(configs):
        assert all(torch.equal(x[0], y[place]) for x, y in zip(shown(digits, config), together, strict=True))
    assert not torch.equal(together[0][0], together[0][1])


def test_pixels_of_training_validation_and_test_are_drawn_apart(digits: Images):
    grey = replace(digits, train=np.full_like(digits.train, 128), test=np.full_like(digits.test, 128))
    training, *_, validation, test, _ = shown(grey, configured(**DYNAMIC))
    for first, second in ((training, validation), (validation, test), (test, training)):
        assert 0.4 < (first[0, :20] == second[0, :20]).double().mean() < 0.6


def test_an_epoch_asks_for_each_purposes_numbers_once(digits: Images, monkeypatch: pytest.MonkeyPatch):
    pack, asked, seed_of = pack_of(digits, configured(**DYNAMIC)), [], randomness.seed_of
    for module in (randomness, step):
        monkeypatch.setattr(
            module, "seed_of", lambda seed, purpose, epoch: asked.append(purpose) or seed_of(seed, purpose, epoch)
        )
    pack.train_epoch()
    uses = ("TRAINING", "VALIDATION", "TEST")
    assert sorted(asked) == sorted([Purpose.DATA_ORDER, *(Purpose[f"{use}_{of}"] for use in uses for of in OF)])


def test_packs_are_formed_of_trials_that_differ_in_what_members_keep_for_themselves():
    config = configured()
    for fields in ({"seed": 5}, {"lr": 0.1}, {"adam_eps": 1e-8}, {"init": "torch"}, {"epochs": 9}):
        assert pack_key(configured(**fields)) == pack_key(config), fields
    numbers = [{"K": 5}, {"eval_k": 5}, {"batch_size": 32}, {"test_images": 5}]
    choices = [{"objective": "iwae"}, {"architecture": "large"}, {"prior": "learned"}, {"weight_norm": True}]
    for fields in [*numbers, *choices, {"binarize": "static"}]:
        assert pack_key(configured(**fields)) != pack_key(config), fields
    assert pack_key(configured(objective="iwae", gradient="dregs")) != pack_key(configured(objective="iwae"))


@pytest.mark.parametrize("batches", range(5))
def test_a_dropped_epoch_leaves_no_trace(digits: Images, batches: int):
    """An epoch has three batches of training and two of evaluation; one of the members diverges in it."""
    configs = [configured(lr=lr) for lr in (1e-3, 10)]
    states = [TrialState.initial(config) for config in configs]
    answers = chain(batches * [False], [True], repeat(False))
    pack = Pack(states, Split.of(digits, configs[0]), should_stop=lambda: next(answers))
    assert pack.train_epoch() == []
    for index, state in enumerate(states):
        assert_same_state(pack.state(index), state)
    pack.train_epoch()
    for index, state in enumerate(run(digits, *configs, epochs=1)):
        assert_same_state(pack.state(index), state)
    assert [state.diverged for state in pack.states] == [False, True]
