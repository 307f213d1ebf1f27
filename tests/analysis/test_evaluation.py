"""Bounds with many samples: blocks change nothing, and nothing is computed twice or lost."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from analysed import IWAE, LATER, TMC, give_foreign_checkpoint
from twin import small, sweep

from tmc_sweep.analysis import evaluation
from tmc_sweep.analysis.evaluation import EvaluationProgress, block_shape, bounds_of, evaluate, score
from tmc_sweep.analysis.latents import latents
from tmc_sweep.analysis.reconstructions import reconstructions
from tmc_sweep.analysis.trained import Chosen, Trained, choose, examples
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import load
from tmc_sweep.errors import InputError, StorageError
from tmc_sweep.objectives import chain_log_weights, elbo, iwae, tmc
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.artefacts import EVALUATIONS, read_artefact
from tmc_sweep.store.lock import sweep_lock
from tmc_sweep.training import TrialState
from tmc_sweep.training.randomness import Purpose

DIRECT = {"elbo": elbo, "iwae": iwae, "tmc": tmc}


@pytest.fixture
def chosen(paths: SweepPaths) -> Chosen:
    return choose(paths)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained.of(TrialState.initial(IWAE))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("bound", ["elbo", "iwae"])
@pytest.mark.parametrize("at_once", [1, 7, 20])
def test_blocks_of_samples_give_what_one_block_gives(bound, at_once, dtype, tolerance):
    trained = Trained.of(TrialState.initial(IWAE))
    trained = replace(trained, parameters={name: value.to(dtype) for name, value in trained.parameters.items()})
    x = torch.rand(1, 5, 64, dtype=dtype, generator=torch.Generator().manual_seed(1))
    noise = [torch.randn(1, 5, 20, width, dtype=dtype, generator=torch.Generator().manual_seed(2)) for width in (8, 2)]
    whole = DIRECT[bound](*trained.model.factors(trained.parameters, x, noise))
    blocks = zip(*(eps.split(at_once, dim=2) for eps in noise), strict=True)
    torch.testing.assert_close(score(trained, x, blocks, bound), whole.double(), rtol=tolerance, atol=0)


def test_iwae_is_the_logarithm_of_the_mean_weight(trained: Trained):
    random = trained.generator(Purpose.EVALUATION_NOISE)
    x = trained.pixels(examples(IWAE).images, Purpose.EVALUATION_PIXELS)
    noise = trained.noise(40, 6, random)
    weights = chain_log_weights(*trained.model.factors(trained.parameters, x, noise)).double().exp()
    np.testing.assert_allclose(
        bounds_of(trained, examples(IWAE).images, "iwae", 6), weights.mean(-1).log()[0], rtol=1e-6
    )


def test_blocks_are_within_their_memory_and_every_image_gets_every_sample(trained: Trained, monkeypatch):
    monkeypatch.setattr(evaluation, "_LOGITS", 64 * 4 * 7)
    monkeypatch.setattr(evaluation, "_SAMPLES", 4)
    asked = []
    noise = Trained.noise
    monkeypatch.setattr(Trained, "noise", lambda self, n, k, random: asked.append((n, k)) or noise(self, n, k, random))
    shares = []
    assert bounds_of(trained, examples(IWAE).images, "iwae", 10, shares.append).shape == (40,)
    assert asked == [(n, k) for n in (7, 7, 7, 7, 7, 5) for k in (4, 4, 2)]
    assert shares == pytest.approx([7 / 40, 14 / 40, 21 / 40, 28 / 40, 35 / 40, 1.0])


@pytest.mark.parametrize("bound", ["elbo", "iwae", "tmc"])
def test_the_same_noise_each_time_and_for_every_trial_of_a_seed(trained: Trained, bound):
    images = examples(IWAE).images
    other = Trained.of(TrialState.initial(TMC))  # the same initial values, as the seed is the same
    first = bounds_of(trained, images, bound, 5)
    assert (
        first.tolist() == bounds_of(trained, images, bound, 5).tolist() == bounds_of(other, images, bound, 5).tolist()
    )
    assert first.tolist() != bounds_of(Trained.of(TrialState.initial(LATER)), images, bound, 5).tolist()


@pytest.mark.parametrize("bound", ["iwae", "tmc"])
def test_more_samples_come_closer(trained: Trained, bound):
    few, many = (bounds_of(trained, examples(IWAE).images, bound, k).mean() for k in (1, 100))
    assert many > few + 0.1


def test_tmc_is_refused_where_its_pairs_need_too_much_memory():
    config = TrialConfig(data="mnist")  # five latents: (8·4 + 20) bytes a pair
    most = math.isqrt(2**32 // 52)
    assert block_shape(config, "tmc", most) == (1, most)
    with pytest.raises(InputError, match=f"at most {most} in trial .*, but got {most + 1}: ask for fewer, or for iwae"):
        block_shape(config, "tmc", most + 1)
    assert block_shape(config, "iwae", 10**9) == (2**23 // (256 * 784), 256)
    assert block_shape(TrialConfig(architecture="ablation"), "tmc", 10**6)[1] == 256  # one latent: no pairs, but blocks


def test_a_row_has_the_mean_and_its_error(chosen: Chosen):
    row = evaluate(chosen, "iwae", 4).set_index("trial_id").loc[TMC.trial_id]
    values = bounds_of(chosen.trained(TMC, "cpu"), examples(TMC).images, "iwae", 4)
    assert row["value"] == pytest.approx(values.mean(), rel=1e-12)
    assert row["standard_error"] == pytest.approx(values.std(ddof=1) / math.sqrt(40), rel=1e-12)
    assert tuple(row[["objective", "bound", "samples", "epoch", "seed"]]) == ("tmc", "iwae", 4, 2, 0)


def test_the_error_of_a_difference_follows_from_the_values_of_its_images(chosen: Chosen):
    """Both trials are hard on the same images, so that it is below the root of the sum of the two squared errors."""
    rows = evaluate(chosen, "iwae", 4).set_index("trial_id")
    stored = pd.read_parquet(chosen.paths.evaluations).set_index("trial_id")["image_values"]
    of = {config: np.frombuffer(stored[config.trial_id], "<f4").astype(float) for config in (IWAE, TMC)}
    for config, values in of.items():
        found = bounds_of(chosen.trained(config, "cpu"), examples(config).images, "iwae", 4)
        assert values.tolist() == found.astype("<f4").tolist()
    less = of[TMC] - of[IWAE]
    error = less.std(ddof=1) / math.sqrt(len(less))
    values, errors = rows["value"], rows["standard_error"]
    assert less.mean() == pytest.approx(values[TMC.trial_id] - values[IWAE.trial_id], abs=1e-5)
    assert 0 < error < math.hypot(*errors) / 2


def test_what_is_there_is_not_computed_again(chosen: Chosen, monkeypatch):
    evaluate(choose(chosen.paths, [IWAE.trial_id]), "iwae", 4)
    seen: list[EvaluationProgress] = []
    frame = evaluate(chosen, "iwae", 4, listener=seen.append)
    assert {(progress.config, progress.position, progress.trials) for progress in seen} == {(TMC, 1, 1)}
    assert seen[-1].share == 1.0
    monkeypatch.setattr(evaluation, "bounds_of", None)
    assert evaluate(chosen, "iwae", 4).equals(frame)
    assert len(frame) == 2


def test_other_samples_bounds_and_epochs_are_evaluated_too(paths: SweepPaths):
    for bound, samples in (("iwae", 4), ("iwae", 5), ("tmc", 4)):
        evaluate(choose(paths), bound, samples)
    longer = small(architecture={"latents": [8, 2]}, K=3, epochs=3)
    sweep(paths, [longer], load("digits"))
    frame = evaluate(choose(paths), "iwae", 4)
    assert dict(zip(frame["trial_id"], frame["epoch"], strict=True)) == {IWAE.trial_id: 3, TMC.trial_id: 2}
    assert len(read_artefact(EVALUATIONS, paths)) == 7


def test_ctrl_c_keeps_the_trials_that_are_finished(chosen: Chosen):
    def interrupt(progress: EvaluationProgress) -> None:
        if progress.position == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(chosen, "elbo", 4, listener=interrupt)
    assert read_artefact(EVALUATIONS, chosen.paths)["trial_id"].tolist() == [IWAE.trial_id]


def test_it_may_run_beside_the_sweep(chosen: Chosen):
    with sweep_lock(chosen.paths):
        assert len(evaluate(chosen, "iwae", 2)) == 2


def test_a_foreign_checkpoint_is_refused_before_any_work(paths: SweepPaths):
    give_foreign_checkpoint(paths)
    with pytest.raises(StorageError, match=f"but names {IWAE.trial_id}: remove the checkpoint"):
        evaluate(choose(paths), "iwae", 2)
    assert read_artefact(EVALUATIONS, paths).empty


def test_a_bound_that_is_not_finite_is_nan(chosen: Chosen, monkeypatch):
    monkeypatch.setattr(evaluation, "bounds_of", lambda *_: np.array([-1.0, -math.inf]))
    frame = evaluate(chosen, "iwae", 2)
    assert frame[["value", "standard_error"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("bound", "samples", "said"),
    [("iwea", 5, "but got 'iwea': did you mean 'iwae'"), ("iwae", 0, "a positive integer, but got 0")],
)
def test_what_cannot_be_evaluated_is_refused(stored: SweepPaths, bound, samples, said):
    with pytest.raises(InputError, match=said):
        evaluate(choose(stored), bound, samples)


@pytest.mark.parametrize(
    ("bound", "samples", "change"),
    [("iwae", 300, {}), ("tmc", 7, {}), ("elbo", 5, {"K": 9}), ("iwae", 5, {"architecture": {"latents": [5, 3]}})],
    ids=str,
)
def test_pixels_depend_on_no_samples_bound_or_widths(monkeypatch: pytest.MonkeyPatch, bound, samples, change):
    seen, pixels = [], Trained.pixels
    monkeypatch.setattr(Trained, "pixels", lambda *given: seen.append(pixels(*given)) or seen[-1])
    monkeypatch.setattr(evaluation, "_LOGITS", 64 * 5 * 7)

    def shown(bound: str, samples: int, **fields: object) -> torch.Tensor:
        seen.clear()
        trained = Trained.of(TrialState.initial(small(binarize="dynamic", **fields)))
        bounds_of(trained, examples(trained.config).images, bound, samples)
        return torch.cat(seen, 1)

    first = shown("iwae", 5)
    assert first.shape == (1, 40, 64)
    assert torch.equal(first, shown(bound, samples, **change))


def test_pixels_and_noise_have_numbers_of_their_own(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    asked, generator = [], Trained.generator
    monkeypatch.setattr(Trained, "generator", lambda self, purpose: asked.append(purpose) or generator(self, purpose))
    bounds_of(trained, examples(IWAE).images, "iwae", 5)
    latents(trained, examples(IWAE), 2)
    reconstructions(trained, examples(IWAE), 3, 2)
    evaluating = [Purpose.EVALUATION_NOISE, Purpose.EVALUATION_PIXELS]
    assert asked == [*evaluating, *2 * [Purpose.ANALYSIS_NOISE, Purpose.ANALYSIS_PIXELS]]
