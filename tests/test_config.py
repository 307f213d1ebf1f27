"""Identity, validation and the sentences that refuse."""

import json

import pytest

from tmc_sweep.config import (
    IDENTITY_DEFAULTS,
    PRESETS,
    Architecture,
    TrialConfig,
    fields_of,
)
from tmc_sweep.errors import InputError
from tmc_sweep.models import build
from tmc_sweep.registry import DATA_SETS

ODD = {
    "architecture": {"latents": [12, 4]},
    "lr": 1e-5,
    "eval_k": 50,
    "adam_eps": 1e-8,
    "batch_size": 64,
    "train_images": 500,
    "test_images": 100,
    "validation_images": 100,
}
CHOICES = {
    "architecture": "clustering",
    "proposal": "factorised",
    "weight_norm": True,
    "prior": "learned",
    "init": "torch",
    "binarize": "static",
}

# Tables in the wild hold these. A change here renames every trial: raise NUMERICS_VERSION only if the numbers change.
GOLDEN = [
    ({}, "7608ef1c5ada", "f51e923c462d"),
    ({"data": "mnist"}, "2e5a7c30507b", "00bbfa7fda22"),
    ({"data": "mnist", "architecture": "large", "objective": "iwae", "seed": 2}, "e7ed8c41fab3", "c9c77feda35f"),
    ({"data": "mnist", "architecture": "ablation", "K": 5}, "aedaaca8ea1f", "ab886657d1cd"),
    (CHOICES, "361dcf8a8138", "401cf80c2c31"),
    (ODD, "a26df147e966", "63ef93aeb98d"),
    ({"objective": "iwae", "gradient": "dregs"}, "0077cdb0da3f", "6b754ff31442"),
    ({"data": "cifar10"}, "7cf6ddde154e", "0652c33ce750"),
    ({"data": "fashion_mnist"}, "715c6dc2d53d", "fada230f3369"),
]


def trial_id(**fields: object) -> str:
    return TrialConfig.parse(fields).trial_id


@pytest.mark.parametrize(("fields", "trial", "cell"), GOLDEN)
def test_identities_never_change(fields: dict[str, object], trial: str, cell: str):
    config = TrialConfig.parse(fields)
    assert (config.trial_id, config.cell_id) == (trial, cell)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_its_explicit_form(preset: str):
    explicit = json.loads(PRESETS[preset].model_dump_json())
    assert trial_id(architecture=preset) == trial_id(architecture=explicit)
    assert TrialConfig.parse({"architecture": explicit}) == TrialConfig.parse({"architecture": preset})


def test_an_eval_k_of_k_is_none_given():
    assert trial_id(K=7, eval_k=7) == trial_id(K=7) != trial_id(K=7, eval_k=8)
    assert TrialConfig.parse({"K": 7}).eval_k == 7


def test_all_images_of_the_data_set_are_none_given():
    assert trial_id(train_images=1437, test_images=360) == trial_id()
    assert TrialConfig.parse({"data": "cifar10"}).train_images == 50_000


def test_epochs_are_not_part_of_the_identity_and_the_seed_not_of_the_cells():
    assert trial_id(epochs=500) == trial_id(epochs=1200)
    assert trial_id(seed=1) != trial_id(seed=2)
    assert TrialConfig.parse({"seed": 1}).cell_id == TrialConfig.parse({"seed": 2}).cell_id


def test_equal_numbers_are_one_identity_however_written():
    assert trial_id(lr=0.01) == trial_id(lr=1e-2)
    assert trial_id(lr=1) == trial_id(lr=1.0)


OTHER_VALUES = {
    "data": "mnist",
    "train_images": 1000,
    "test_images": 100,
    "validation_images": 10,
    "binarize": "dynamic",
    "objective": "iwae",
    "model": "mine:Plain",
    "architecture": "large",
    "K": 5,
    "eval_k": 100,
    "lr": 1e-2,
    "batch_size": 64,
    "adam_eps": 1e-8,
    "prior": "learned",
    "init": "torch",
    "weight_norm": True,
    "proposal": "factorised",
    "gradient": "dregs",
}


@pytest.mark.parametrize("name", sorted(set(TrialConfig.model_fields) - set(fields_of("run"))))
def test_every_field_makes_another_trial_and_cell(name: str):
    others = {"objective": "iwae"} if name == "gradient" else {}
    plain, changed = TrialConfig.parse(others), TrialConfig.parse({**others, name: OTHER_VALUES[name]})
    assert changed.trial_id != plain.trial_id
    assert changed.cell_id != plain.cell_id


@pytest.mark.parametrize("name", sorted(set(TrialConfig.model_fields) - set(fields_of("run", "shape", "data"))))
def test_only_fields_of_shape_and_data_shape_the_parameters(name: str):
    others = {"objective": "iwae"} if name == "gradient" else {}
    plain, changed = TrialConfig.parse(others), TrialConfig.parse({**others, name: OTHER_VALUES[name]})
    assert build(changed).shapes == build(plain).shapes


def test_fields_added_later_have_an_identity_default():
    first_fields = {"data", "objective", "architecture", "K", "lr", "train_images", "test_images", "eval_k"}
    assert set(TrialConfig.model_fields) - set(fields_of("run")) - first_fields == set(IDENTITY_DEFAULTS)


@pytest.mark.parametrize("fields", [fields for fields, *_ in GOLDEN])
def test_a_configuration_survives_json_and_hashing(fields: dict[str, object]):
    config = TrialConfig.parse(fields)
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
    assert TrialConfig.parse(json.loads(config.model_dump_json())) == config
    assert len({config, TrialConfig.parse(fields)}) == 1


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        TrialConfig().K = 5


@pytest.mark.parametrize(
    ("widths", "name"),
    [
        ({"latents": [12, 4]}, "12-4"),
        ({"latents": [64, 32, 16, 8, 4]}, "small"),
        ({"latents": [64, 32, 16, 8, 4], "q_hidden": [512, 256, 128, 64, 32]}, "large"),
        ({"latents": [12, 4], "q_hidden": [24, 8]}, "12-4"),
        ({"latents": [12, 4], "q_hidden": [100, 50]}, "12-4_q100-50"),
        ({"latents": [4], "q_hidden": [9], "p_hidden": [5]}, "4_q9_p5"),
    ],
)
def test_architectures_are_named(widths: dict[str, list[int]], name: str):
    assert Architecture.model_validate(widths).name == name
    assert Architecture.called(name) == Architecture.model_validate(widths)
    assert TrialConfig.parse({"architecture": widths}).row()["architecture"] == name


def test_the_data_sets_have_their_sizes():
    sizes = {name: (known.train_images, known.test_images, known.n_features) for name, known in DATA_SETS.items()}
    assert sizes == {
        "digits": (1437, 360, 64),
        "mnist": (60_000, 10_000, 784),
        "fashion_mnist": (60_000, 10_000, 784),
        "cifar10": (50_000, 10_000, 3072),
    }


PRESET_RULE = (
    "architecture must be one of small, large, ablation, clustering, or widths such as [12, 4] or {latents: [12, 4]}"
)
WIDTHS_RULE = "must be a list of 1 to 64 widths from 1 to 65536"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"K": 0}, "K must be an integer from 1 to 10000, but got 0"),
        ({"K": True}, "K must be an integer from 1 to 10000, but got true"),
        ({"K": None}, "K must be an integer from 1 to 10000, but got null"),
        ({"K": 2.5}, "K must be an integer from 1 to 10000, but got 2.5"),
        ({"eval_k": 0}, "eval_k must be an integer from 1 to 10000, but got 0"),
        ({"lr": 0.0}, "lr must be a positive number up to 10, such as 1e-3, but got 0.0"),
        ({"lr": "1e-3"}, "lr must be a positive number up to 10, such as 1e-3, but got '1e-3'"),
        ({"lr": float("nan")}, "lr must be a positive number up to 10, such as 1e-3, but got nan"),
        ({"lr": float("inf")}, "lr must be a positive number up to 10, such as 1e-3, but got inf"),
        ({"adam_eps": 0.0}, "adam_eps must be a positive number up to 1, such as 1e-4, but got 0.0"),
        ({"weight_norm": 1}, "weight_norm must be true or false, but got 1"),
        ({"seed": 2**63}, f"seed must be an integer from 0 to 2**63 - 1, but got {2**63}"),
        ({"epochs": 1.0}, "epochs must be an integer from 1 to 1000000, but got 1.0"),
        (
            {"objective": "tcm"},
            "objective must be one of elbo, iwae, tmc, or package.module:Name of one's own, but got 'tcm': "
            "did you mean 'tmc'?",
        ),
        (
            {"objective": "x"},
            "objective must be one of elbo, iwae, tmc, or package.module:Name of one's own, but got 'x'",
        ),
        ({"objectiv": "tmc"}, "objectiv is not a known key: did you mean 'objective'?"),
        ({"architecture": "smal"}, f"{PRESET_RULE}, but got 'smal': did you mean 'small'?"),
        ({"architecture": 5}, f"{PRESET_RULE}, but got 5"),
        ({"architecture": []}, f"architecture.latents {WIDTHS_RULE}, but got []"),
        ({"architecture": {"latent": [4]}}, "architecture.latent is not a known key: did you mean 'latents'?"),
        (
            {"architecture": {"latents": [4], 1: 2}},
            "architecture.1 is not a known key: the known ones are latents, q_hidden, p_hidden",
        ),
        ({"architecture": {}}, "architecture.latents is required, but is missing: add it"),
        ({"architecture": {"latents": []}}, f"architecture.latents {WIDTHS_RULE}, but got []"),
        ({"architecture": {"latents": [4, 0]}}, f"architecture.latents {WIDTHS_RULE}, but got 0"),
        ({"architecture": {"latents": ["4"]}}, f"architecture.latents {WIDTHS_RULE}, but got '4'"),
        ({"architecture": {"latents": [4], "q_hidden": 8}}, f"architecture.q_hidden {WIDTHS_RULE}, but got 8"),
        (
            {"architecture": {"latents": [4], "q": 3}},
            "architecture.q is not a known key: the known ones are latents, q_hidden, p_hidden",
        ),
        (
            {"architecture": {"latents": [4, 2], "q_hidden": [3]}},
            "q_hidden must list one width per latent, but lists 1 for 2 latents: "
            "give one width each, used for both hidden layers",
        ),
        ({"train_images": 5000}, "train_images must be at most 1437 here (data: digits), but got 5000: lower it"),
        (
            {"train_images": 10, "validation_images": 10},
            "validation_images must be at most 9 here (data: digits), but got 10: lower it",
        ),
        (
            {"gradient": "stl", "objective": "iwae", "K": 5},
            "gradient must be unbiased, which stl is for elbo or K = 1 only, but got stl with objective iwae and "
            "K = 5: choose dregs",
        ),
        (
            {"gradient": "stl"},
            "gradient must be unbiased, which stl is for elbo or K = 1 only, but got stl with objective tmc and "
            "K = 20: choose std",
        ),
        (
            {"gradient": "dregs", "objective": "elbo"},
            "gradient must be std or stl for objective elbo, but got dregs, which would be stl there: choose stl",
        ),
        (
            {"gradient": "dregs"},
            "gradient must be unbiased, which dregs is for tmc with a factorised proposal, one latent or K = 1 only, "
            "but got a nonfactorised one, 5 latents and K = 20: choose std",
        ),
    ],
    ids=lambda given: str(given)[:40] if isinstance(given, dict) else "",
)
def test_bad_input_is_refused_in_one_sentence(fields: dict[str, object], message: str):
    with pytest.raises(InputError) as error:
        TrialConfig.parse(fields)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "fields",
    [
        {"gradient": "stl", "objective": "elbo"},
        {"gradient": "stl", "objective": "iwae", "K": 1},
        {"gradient": "stl", "objective": "tmc", "K": 1},
        {"gradient": "dregs", "objective": "iwae"},
        {"gradient": "dregs", "proposal": "factorised"},
        {"gradient": "dregs", "architecture": "ablation"},
        {"gradient": "dregs", "K": 1},
    ],
    ids=str,
)
def test_an_estimator_is_taken_wherever_it_is_unbiased(fields: dict[str, object]):
    assert TrialConfig.parse(fields).gradient == fields["gradient"]


def test_a_long_value_is_shown_in_part():
    with pytest.raises(InputError) as error:
        TrialConfig.parse({"K": "9" * 5000})
    assert len(str(error.value)) < 160
