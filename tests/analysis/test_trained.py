"""Models from checkpoints: they score as they did when they were trained, and what cannot be used is said."""

import pytest
import torch
from analysed import IWAE, LATER, TMC, give_foreign_checkpoint
from twin import small

from tmc_sweep.analysis.evaluation import score
from tmc_sweep.analysis.trained import Trained, choose, device_named, examples
from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Split, load
from tmc_sweep.errors import CannotRunError, InputError, StorageError
from tmc_sweep.paths import SweepPaths
from tmc_sweep.store.checkpoints import CheckpointFiles
from tmc_sweep.store.read import read_epochs
from tmc_sweep.training import Pack, TrialState, encode
from tmc_sweep.training.randomness import Purpose


def as_in_training(trained: Trained, bound: str) -> float:
    """The bound on the test images with the noise of the epoch's own evaluation: one batch of them all."""
    random = trained.generator(Purpose.TEST_NOISE)
    x = trained.pixels(examples(trained.config).images, Purpose.TEST_PIXELS)
    return score(trained, x, [trained.noise(x.shape[1], trained.config.eval_k, random)], bound).mean().item()


@pytest.mark.parametrize("config", [IWAE, TMC], ids=lambda config: config.objective)
def test_a_stored_model_gives_the_bounds_of_its_last_epoch(stored: SweepPaths, config: TrialConfig):
    trained = choose(stored).trained(config, "cpu")
    row = read_epochs(stored.epochs).query(f"trial_id == '{config.trial_id}' and epoch == 2").iloc[0]
    assert trained.epoch == 2
    for bound in ("elbo", "iwae", "tmc"):
        assert as_in_training(trained, bound) == pytest.approx(row[f"test_{bound}"], rel=1e-6)


@pytest.mark.parametrize("fields", [{"binarize": "dynamic"}, {"binarize": "static"}, {"prior": "learned"}])
def test_binarised_images_and_a_learned_prior_are_as_in_training(fields: dict[str, object]):
    config = small(**fields)
    pack = Pack([TrialState.initial(config)], Split.of(load("digits"), config))
    (record,) = pack.train_epoch()
    assert as_in_training(Trained.of(pack.state(0)), "iwae") == pytest.approx(record.test_iwae, rel=1e-6)


def test_trials_are_chosen_by_name_and_those_without_a_checkpoint_are_kept_apart(stored: SweepPaths):
    assert (dict(choose(stored).epochs), choose(stored).without) == ({IWAE: 2, TMC: 2}, (LATER,))
    only = choose(stored, [TMC.trial_id])
    assert (list(only.epochs), only.without) == ([TMC], ())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (LATER.trial_id, "must have a checkpoint for this, but none of the 1 asked for has one: run sweep 'tiny'"),
        (IWAE.trial_id[:-1] + "x", f"one of sweep 'tiny', but got .*: did you mean '{IWAE.trial_id}'"),
        ("nonsense", "but got 'nonsense': `tmc-sweep status tiny --results"),
    ],
)
def test_a_trial_that_cannot_be_used_is_refused(stored: SweepPaths, name: str, said: str):
    with pytest.raises(InputError, match=said):
        choose(stored, [name])


def test_no_such_sweep(stored: SweepPaths):
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        choose(SweepPaths(stored.results, "tine"))


def test_a_damaged_checkpoint_is_passed_over(paths: SweepPaths, caplog: pytest.LogCaptureFixture):
    for config in (IWAE, TMC):
        ((_, path),) = CheckpointFiles(paths).stored(config.trial_id)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        if config == IWAE:
            assert list(choose(paths).epochs) == [TMC]
    assert "is damaged" in caplog.text
    with pytest.raises(InputError, match="none of the 3 asked for has one"):
        choose(paths)


def test_another_trials_checkpoint_is_refused(paths: SweepPaths):
    give_foreign_checkpoint(paths)
    with pytest.raises(StorageError, match=f"of trial {TMC.trial_id} must name it, but names {IWAE.trial_id}"):
        choose(paths).trained(TMC, "cpu")
    CheckpointFiles(paths).drop(TMC.trial_id)
    assert TMC in choose(paths).without


def test_a_checkpoint_that_cannot_be_read_is_refused_until_it_is_removed(paths: SweepPaths):
    path = CheckpointFiles(paths).save(TMC.trial_id, 3, encode(TrialState.initial(TMC))[:-1])
    with pytest.raises(StorageError, match=f"a checkpoint of trial {TMC.trial_id} cannot be read .*: remove it"):
        choose(paths).trained(TMC, "cpu")
    path.unlink()
    assert choose(paths).trained(TMC, "cpu").epoch == 2


def test_a_checkpoint_that_goes_meanwhile(paths: SweepPaths):
    chosen = choose(paths)
    CheckpointFiles(paths).drop(IWAE.trial_id)
    with pytest.raises(StorageError, match="but it was removed just now"):
        chosen.trained(IWAE, "cpu")
    assert IWAE in choose(paths).without


def test_devices(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [device_named(name) for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_named("auto") == "cpu"
    with pytest.raises(CannotRunError, match="but it sees none: use cpu"):
        device_named("cuda")
    with pytest.raises(InputError, match="one of auto, cpu, cuda, but got 'tpu'"):
        device_named("tpu")


def test_examples_are_the_first_test_images_with_their_classes():
    images = load("digits")
    found = examples(IWAE)
    assert found.images.numpy().tolist() == images.test[:40].tolist()
    assert found.labels.tolist() == images.test_labels[:40].tolist()
