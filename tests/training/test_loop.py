"""train(): a generator of records, without Ray."""

import math

import pytest
from runs import configured, outcomes, run
from twin import unchecked

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images
from tmc_sweep.errors import InputError
from tmc_sweep.training import Pack, TrialState, train


@unchecked()
def test_train_yields_every_epoch_and_improves(digits: Images):
    records = list(train({"K": 5, "epochs": 4, "lr": 3e-3}, images=digits))
    assert [record.epoch for record in records] == [1, 2, 3, 4]
    assert all(math.isfinite(value) for r in records for value in r.outcome() if value is not None)
    scores = [record.test_objective for record in records]
    assert scores[-1] > scores[0] + 0.5
    assert -64 * math.log(2) < scores[-1] < 0  # better than the uniform guess


def test_train_loads_the_data_set_itself_and_records_the_trial():
    config = configured(epochs=1)
    (record,) = train(config)
    assert (record.trial_id, record.attempt) == (config.trial_id, 1)


def test_train_is_what_a_pack_of_one_does(digits: Images):
    config = configured(epochs=2)
    assert [record.outcome() for record in train(config, images=digits)] == outcomes(run(digits, config)[0])


def test_train_goes_on_from_a_state_and_leaves_it_as_it_was(digits: Images):
    config = configured(epochs=3)
    (state,) = run(digits, config, epochs=1)
    rest = [record.outcome() for record in train(config, images=digits, state=state)]
    assert rest == outcomes(run(digits, config, epochs=3)[0])[1:]
    assert state.epoch == 1
    assert [record.outcome() for record in train(config, images=digits, state=state)] == rest


def test_a_state_trained_to_its_end_goes_on_when_more_epochs_are_asked_for(digits: Images):
    (state,) = run(digits, configured(epochs=1), epochs=1)
    records = list(train(configured(epochs=2), images=digits, state=state))
    assert [record.epoch for record in records] == [2]


def test_a_state_of_another_trial_is_refused(digits: Images):
    with pytest.raises(InputError, match=f"must be of trial {configured(seed=1).trial_id}, but is of"):
        train(configured(seed=1), images=digits, state=TrialState.initial(configured()))
    (record,) = train(configured(epochs=1), images=digits, state=TrialState.initial(configured(epochs=2)))
    assert record.trial_id == configured().trial_id


def test_train_ends_with_the_record_that_is_not_finite(digits: Images):
    config = configured(epochs=5)
    state = TrialState.initial(config)
    state.parameters["q.0.first.bias"][0, 0] = math.nan
    (record,) = train(config, images=digits, state=state)
    assert record.diverged


def test_a_finished_trial_is_not_trained(digits: Images, monkeypatch: pytest.MonkeyPatch):
    (state,) = run(digits, configured(epochs=1), epochs=1)
    monkeypatch.setattr(Pack, "train_epoch", lambda _: pytest.fail("trained"))
    assert list(train(configured(epochs=1), images=digits, state=state)) == []


def test_a_bad_configuration_is_refused_before_the_first_epoch():
    with pytest.raises(InputError, match="K must be an integer from 1 to 10000, but got 0"):
        train({"K": 0})


@unchecked()
def test_a_learning_rate_of_a_hundredth_trains(digits: Images):
    records = list(train({"K": 5, "lr": 1e-2, "epochs": 10, "train_images": 700}, images=digits))
    assert len(records) == 10
    assert not records[-1].diverged
    assert records[-1].test_tmc > records[0].test_tmc + 2


@unchecked()
def test_the_articles_order_of_learning_rates_on_mnist(mnist_root):
    from tmc_sweep.data import Split, load

    sizes = {"data": "mnist", "train_images": 1000, "test_images": 200, "K": 5, "objective": "iwae"}
    configs = [TrialConfig.parse({**sizes, "lr": lr}) for lr in (1e-2, 1e-3, 1e-4, 1e-5)]
    pack = Pack([TrialState.initial(config) for config in configs], Split.of(load("mnist", mnist_root), configs[0]))
    scores = [record.test_iwae for _ in range(3) for record in pack.train_epoch()][-4:]
    assert scores == sorted(scores, reverse=True)
    assert -205.8 < scores[0] < -45.53
