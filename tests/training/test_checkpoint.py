"""Checkpoints: a resumed trial equals an uninterrupted one bit for bit; anything else is refused in one sentence."""

import json
import math

import pytest
import torch
from runs import SHAPES, assert_same_state, configured, pack_of, run
from safetensors.torch import load, save

from tmc_sweep.data import Images, Split
from tmc_sweep.errors import StorageError
from tmc_sweep.training import Pack, TrialState, decode, encode, stated


@pytest.mark.parametrize("name", SHAPES)
def test_a_resumed_trial_equals_an_uninterrupted_one(digits: Images, name: str):
    """Resumed before each epoch, it has the same state after it: and so after all that follow."""
    config = configured(**SHAPES[name])
    whole, data = pack_of(digits, config), Split.of(digits, config)
    for _ in range(3):
        resumed = Pack([decode(encode(whole.state(0)), config)], data)
        for pack in (whole, resumed):
            pack.train_epoch()
        assert_same_state(resumed.state(0), whole.state(0))


def test_a_resumed_pack_with_members_at_other_epochs_equals_an_uninterrupted_one(digits: Images):
    configs = [configured(architecture="clustering", seed=seed) for seed in (0, 1)]
    whole, resumed = (Pack([TrialState.initial(c) for c in configs], Split.of(digits, configs[0])) for _ in range(2))
    resumed.train_epoch()
    resumed = Pack([decode(encode(resumed.state(i)), configs[i]) for i in range(2)], Split.of(digits, configs[0]))
    resumed.train_epoch()
    for _ in range(2):
        whole.train_epoch()
    for index in range(2):
        assert_same_state(resumed.state(index), whole.state(index))


def test_a_checkpoint_keeps_every_record_whole(digits: Images):
    (state,) = run(digits, configured(validation_images=5))
    decoded = decode(encode(state), state.config)
    assert decoded.history == state.history
    assert decoded.adam.keys() == state.parameters.keys()


def test_a_checkpoint_of_a_diverged_trial_says_so(digits: Images):
    config = configured()
    state = TrialState.initial(config)
    state.parameters["q.0.first.bias"][0, 0] = math.inf
    pack = Pack([state], Split.of(digits, config))
    pack.train_epoch()
    assert decode(encode(pack.state(0)), config).finished


def refusal(payload: bytes, **fields: object) -> str:
    with pytest.raises(StorageError) as error:
        decode(payload, configured(**fields))
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.fixture(scope="module")
def payload(digits: Images) -> bytes:
    return encode(run(digits, configured(architecture={"latents": [4]}), epochs=1)[0])


ONE_LATENT = {"architecture": {"latents": [4]}}


def test_a_checkpoint_of_another_trial_is_refused(payload: bytes):
    mine, other = configured(**ONE_LATENT).trial_id, configured(**ONE_LATENT, seed=1).trial_id
    assert refusal(payload, **ONE_LATENT, seed=1) == (
        f"a checkpoint of trial {other} must name it, but names {mine}: remove the checkpoint"
    )


def test_a_checkpoint_of_more_epochs_is_the_same_trials(payload: bytes):
    assert decode(payload, configured(**ONE_LATENT, epochs=99)).epoch == 1


def rewritten(payload: bytes, *, drop: str = "", **metadata: str) -> bytes:
    """The same file with other metadata, and without the tensors whose name starts with `drop`."""
    header = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])["__metadata__"]
    tensors = {name: value for name, value in load(payload).items() if not drop or not name.startswith(drop)}
    return save(tensors, {name: value for name, value in {**header, **metadata}.items() if value != "absent"})


def test_a_checkpoint_of_another_format_is_refused(payload: bytes):
    assert refusal(rewritten(payload, format="99"), **ONE_LATENT) == (
        "a checkpoint must have format 1, but has 99: use the newer tmc_sweep that wrote it"
    )


@pytest.mark.parametrize("kept", [0, 4, 8, 200, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(payload: bytes, kept: float):
    refusal(payload[: int(kept if kept > 1 else kept * len(payload))], **ONE_LATENT)


@pytest.mark.parametrize("garbage", [b"\0" * 64, b"\xff" * 64, b"garbage" * 99, b"\x02" + b"\0" * 7 + b"[]", b"PK\3\4"])
def test_garbage_is_refused(garbage: bytes):
    refusal(garbage)


@pytest.mark.parametrize(
    "change",
    [
        {"drop": "parameters/p.0.first.weight"},
        {"drop": "parameters/"},
        {"drop": "adam/exp_avg/q.0.first.bias"},
        {"history": "absent"},
        {"history": "[{"},
        {"history": "{}"},
        {"history": "[1]"},
        {"history": '[{"epoch": 1}]'},
        {"history": "[]"},
    ],
    ids=str,
)
def test_a_checkpoint_that_lacks_a_part_is_refused(payload: bytes, change: dict[str, str]):
    refusal(rewritten(payload, **change), **ONE_LATENT)


@pytest.mark.parametrize("changed", [{"epoch": 2}, {"trial_id": "0" * 12}], ids=str)
def test_rows_that_are_not_the_trials_from_its_first_epoch_are_refused(payload: bytes, changed: dict[str, object]):
    (row,) = json.loads(stated(payload)["history"])
    message = refusal(rewritten(payload, history=json.dumps([{**row, **changed}])), **ONE_LATENT)
    assert "its history is not epochs 1, 2, 3, ... of the trial" in message


def test_a_checkpoint_with_tensors_of_other_shapes_is_refused(payload: bytes):
    header = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])["__metadata__"]
    tensors = load(payload) | {"parameters/p.0.first.weight": torch.zeros(3, 3)}
    refusal(save(tensors, header), **ONE_LATENT)
