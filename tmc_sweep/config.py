"""What one trial trains, the article's architectures, and what makes two trials the same.

    config = TrialConfig.parse({"data": "mnist", "objective": "tmc", "K": 5, "seed": 1})
    config.trial_id    # names the trial in every table
    config.cell_id     # names the trial without its seed
    config.eval_k      # 5: it follows K where it is not set

All that is known of a field of a trial stands in one place, on the field: its type and bounds, its meaning and unit,
its role, and the value that trials had before there was such a field. Columns, messages, docs and packing follow from
that. To add a field, add one line to `TrialConfig`.

A trial's identity is a hash of its *resolved* configuration: presets become widths, `eval_k` unset becomes K. Fields at
their identity default are left out of the hash, so that a field added later renames no trial; the identity defaults are
fixed for ever, whatever a user-facing default becomes. Epochs are not part of it: 500 → 1200 epochs continues a trial.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Self, TypedDict, Unpack, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.config import JsonDict

from tmc_sweep.errors import InputError
from tmc_sweep.explain import broken, did_you_mean, explain, integer, telling
from tmc_sweep.registry import BOUNDS, DATA_SETS, MODELS

NUMERICS_VERSION = 2  # the newest that any configuration has: raise it where one comes to mean other numbers
MAX_EPOCHS = 1_000_000
EPOCHS_RULE = integer(1, MAX_EPOCHS)


DataName = Annotated[str, DATA_SETS.known]
Objective = Annotated[str, BOUNDS.known]
Gradient = Literal["std", "stl", "dregs"]

MAX_LATENTS = 64
MAX_WIDTH = 65_536
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Widths = Annotated[
    tuple[Width, ...],
    Field(
        min_length=1,
        max_length=MAX_LATENTS,
        strict=False,
        json_schema_extra={"rule": f"a list of 1 to {MAX_LATENTS} widths from 1 to {MAX_WIDTH}"},
    ),
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Architecture(_Frozen):
    """The widths of a hierarchical model's latents and hidden layers, from the data up (article, section 4.2).

    `latents[l]` is the dimension of z_l. Every conditional has two hidden layers of one width: `q_hidden[l]` in
    q(z_l | ·), `p_hidden[l]` in p(· | z_l). Left out, they are as in the article's small model: twice the width of z_l.

        Architecture(latents=(64, 32))                          # hidden layers of 128 and 64
        Architecture(latents=(4,), q_hidden=(200,), p_hidden=(200,))
    """

    latents: Widths
    q_hidden: Widths = Field(default_factory=lambda given: _times(2, given))
    p_hidden: Widths = Field(default_factory=lambda given: _times(2, given))

    @model_validator(mode="after")
    def _one_hidden_width_per_latent(self) -> Self:
        for name in ("q_hidden", "p_hidden"):
            if len(getattr(self, name)) != len(self.latents):
                raise broken(
                    f"{name} must list one width per latent, but lists {len(getattr(self, name))} "
                    f"for {len(self.latents)} latents: give one width each, used for both hidden layers",
                    name,
                )
        return self

    @property
    def name(self) -> str:
        """The preset's name, else a text such as `12-4` or `12-4_q50-20`: hidden widths where they are set."""
        for name, preset in PRESETS.items():
            if self == preset:
                return name
        small = Architecture(latents=self.latents)
        text = _dashed(self.latents)
        text += f"_q{_dashed(self.q_hidden)}" if self.q_hidden != small.q_hidden else ""
        text += f"_p{_dashed(self.p_hidden)}" if self.p_hidden != small.p_hidden else ""
        return text

    @staticmethod
    def called(name: str) -> "Architecture":
        """The architecture that has this `name`, as a table's column holds it; ValueError if there is none."""
        if name in PRESETS:
            return PRESETS[name]
        latents, *hidden = name.split("_")
        widths = {"latents": latents} | {f"{text[:1]}_hidden": text[1:] for text in hidden}
        return Architecture.model_validate(
            {key: [int(width) for width in text.split("-")] for key, text in widths.items()}
        )


def _times(factor: int, given: dict[str, Any]) -> tuple[int, ...]:
    return tuple(factor * width for width in given.get("latents", ()))


def _dashed(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


PRESETS: Mapping[str, Architecture] = MappingProxyType(
    {
        "small": Architecture(latents=(64, 32, 16, 8, 4)),
        "large": Architecture(latents=(64, 32, 16, 8, 4), q_hidden=(512, 256, 128, 64, 32)),
        "ablation": Architecture(latents=(4,), q_hidden=(200,), p_hidden=(200,)),
        "clustering": Architecture(latents=(50, 2), q_hidden=(100, 100), p_hidden=(100, 100)),
    }
)


def _resolved(value: object) -> object:
    """What pydantic makes an Architecture of: a preset, given by its name, or a mapping, given by the latents alone."""
    if isinstance(value, list | tuple):
        return {"latents": list(value)}
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise broken(f"architecture must be {ARCHITECTURE_RULE}, but got {value!r}{did_you_mean(value, PRESETS)}")
    return PRESETS[value]


ARCHITECTURE_RULE = f"one of {', '.join(PRESETS)}, or widths such as [12, 4] or {{latents: [12, 4]}}"

Role = Literal["run", "member", "shape", "data"]


class Follows(NamedTuple):
    """The default of a field that follows from another field: `eval_k` is K where it is left out."""

    source: str  # the other field
    value: Callable[[Any], Any]  # of the source's value

    def default(self, given: dict[str, Any]) -> Any:
        """The default, given the fields validated so far; if the source is not among them, it was wrong, and is told.

        Then any value will do here.
        """
        return self.value(given[self.source]) if self.source in given else 1


class Facts(TypedDict, total=False):
    """What the rest of the package must know of a field of a trial, beside its type, constraints and meaning.

    The role says where a field matters. A field without one must be equal in all trials of a pack, and no more.

    - "run": for how long and with which random numbers a trial trains; no part of its cell
    - "member": may differ between the trials of a pack, since it changes neither shapes nor what a step costs
    - "shape": decides which parameters the model has
    - "data": decides which images are learnt from and which are held out
    """

    role: Role
    identity: Any  # what all trials had before there was this field: fixed for ever, and left out of names
    follows: Follows  # how it follows from another field where it is left out
    of_models: bool  # whether only some families of models read it
    unit: str
    rule: str  # worded to follow "must be", in place of what constraints say
    hint: str  # the same, after what they say


def _field(
    meaning: str,
    default: Any = ...,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    **facts: Unpack[Facts],
) -> Any:
    """A field of a trial, with all that is known of it; `meaning` is the text of its column in results/README.md."""
    usual: Any = {"default_factory": facts["follows"].default} if "follows" in facts else {"default": default}
    extra = cast(JsonDict, facts)
    return Field(description=meaning, json_schema_extra=extra, ge=ge, gt=gt, le=le, lt=lt, **usual)


def images_of(name: str, data: str) -> int | None:
    """How many `train_images` or `test_images` a data set has.

    None for one of one's own: its entry would have to be imported, and what is stored is read without imports.
    """
    return getattr(DATA_SETS.get(data), name, None)


def too_many(name: str, given: int, limit: int, data: str) -> str:
    """The sentence for a number of images that is larger than the data set has."""
    return f"{name} must be at most {limit} here (data: {data}), but got {given}: lower it"


class TrialConfig(_Frozen):
    """One trial's configuration: all that decides its learning curve, but for the machine.

    Frozen, validated when it is made, compared and hashed by value. The defaults are the article's protocol (sections
    4.1 and 4.2), on the bundled digits. `parse` makes one of a mapping, with errors in one sentence.
    """

    data: DataName = _field("data set", "digits", role="data")
    train_images: int = _field(
        "training images used: the first ones, including those held out for validation",
        follows=Follows("data", partial(images_of, "train_images")),
        role="data",
        unit="images",
        hint="at most the data set's training images",
        ge=1,
    )
    test_images: int = _field(
        "test images used: the first ones",
        follows=Follows("data", partial(images_of, "test_images")),
        unit="images",
        hint="at most the data set's test images",
        ge=1,
    )
    validation_images: int = _field(
        "how many of the training images, the last, are held out",
        0,
        role="data",
        identity=0,
        unit="images",
        hint="fewer than train_images",
        ge=0,
    )
    binarize: Literal["none", "dynamic", "static"] = _field(
        "pixels as they are, drawn anew at each use, or drawn once per data set", "none", role="data", identity="none"
    )
    objective: Objective = _field("bound that is trained", "tmc")
    model: Annotated[str, MODELS.known] = _field("family of models", "vae", role="shape", identity="vae")
    architecture: Annotated[Architecture, BeforeValidator(_resolved)] = _field(
        "preset's name, or the latents' widths from the data up",
        PRESETS["small"],
        role="shape",
        of_models=True,
        rule=ARCHITECTURE_RULE,
    )
    K: int = _field("samples per latent in training", 20, ge=1, le=10_000)
    eval_k: int = _field("samples per latent in evaluation", follows=Follows("K", lambda k: k), ge=1, le=10_000)
    lr: float = _field("Adam's learning rate", 1e-3, role="member", hint="such as 1e-3", gt=0, le=10)
    batch_size: int = _field("images per minibatch", 128, identity=128, unit="images", ge=1, le=100_000)
    adam_eps: float = _field("Adam's epsilon", 1e-4, role="member", identity=1e-4, hint="such as 1e-4", gt=0, le=1)
    prior: Literal["standard", "learned"] = _field(
        "distribution of the last latent: fixed, or with trained mean and std",
        "standard",
        role="shape",
        identity="standard",
        of_models=True,
    )
    init: Literal["glorot_uniform", "torch"] = _field(
        "initial values of the linear layers",
        "glorot_uniform",
        role="member",
        identity="glorot_uniform",
        of_models=True,
    )
    weight_norm: bool = _field(
        "weight normalisation of every linear layer", False, role="shape", identity=False, of_models=True
    )
    proposal: Literal["nonfactorised", "factorised"] = _field(
        "q(z_l | z_{l-1}), or q(z_l | x) for every latent",
        "nonfactorised",
        role="shape",
        identity="nonfactorised",
        of_models=True,
    )
    gradient: Gradient = _field("estimator of the bound's gradient", "std", identity="std", of_models=True)
    epochs: int = _field("epochs to train", 1_200, role="run", ge=1, le=MAX_EPOCHS)
    seed: int = _field("seed of everything random", 0, role="run", ge=0, le=2**63 - 1)

    @model_validator(mode="after")
    def _fits_the_data_set(self) -> Self:
        for name, given, limit in (
            ("train_images", self.train_images, images_of("train_images", self.data)),
            ("test_images", self.test_images, images_of("test_images", self.data)),
            ("validation_images", self.validation_images, (self.train_images or 0) - 1),
        ):
            if given is None:
                sentence = (
                    f"{name} must be said where data is of one's own, but is missing for {self.data}: "
                    f"set {name} beside data, in base or in cases"
                )
                raise broken(sentence, "data")
            if limit is not None and given > limit:
                raise broken(too_many(name, given, limit, self.data), name)
        return self

    @model_validator(mode="after")
    def _gradient_is_right_for_the_bound(self) -> Self:
        bound = BOUNDS.get(self.objective)
        if bound is None:  # one of one's own: space/own.py checks it where a user's file is read
            return self
        several_parents = self.proposal == "nonfactorised" and len(self.architecture.latents) > 1 and self.K > 1
        mixes = self.objective == "tmc" and several_parents
        if self.gradient == "stl" and self.objective != "elbo" and self.K > 1:
            raise broken(
                "gradient must be unbiased, which stl is for elbo or K = 1 only, but got stl with objective "
                f"{self.objective} and K = {self.K}: choose {'std' if mixes else 'dregs'}",
                "gradient",
            )
        if self.gradient == "dregs" and self.objective == "elbo":
            raise broken(
                "gradient must be std or stl for objective elbo, but got dregs, which would be stl there: choose stl",
                "gradient",
            )
        if self.gradient == "dregs" and mixes:
            raise broken(
                "gradient must be unbiased, which dregs is for tmc with a factorised proposal, one latent or K = 1 "
                f"only, but got a nonfactorised one, {len(self.architecture.latents)} latents and K = {self.K}: "
                "choose std",
                "gradient",
            )
        return self

    @classmethod
    def parse(cls, fields: Mapping[str, object]) -> Self:
        """The configuration that these fields describe; InputError, in one sentence, if one of them breaks a rule.

        Fields may be given as YAML has them: an architecture by its preset's name or as a list of widths.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            raise InputError(explain(cls, telling(error)[0])) from None

    @classmethod
    def stored(cls, fields: Mapping[str, object]) -> Self:
        """The configuration in stored fields: one that was added since has its identity default. Errors as `parse`."""
        return cls.parse({**IDENTITY_DEFAULTS, **fields})

    @property
    def numerics(self) -> int:
        """The numerics version: raised where the same fields come to mean other numbers, as `numerics` says."""
        return numerics(self.binarize)

    def named(self, trial_id: str) -> "TrialConfig | None":
        """This configuration in the numerics version under which a trial of it has this name.

        An EarlierConfig if that is an earlier version; None if it has this name in none.
        """
        if self.trial_id == trial_id:
            return self
        earlier = EarlierConfig.model_construct(**dict(self))
        return earlier if earlier.trial_id == trial_id else None

    @property
    def trial_id(self) -> str:
        """12 hex digits that name this trial in every table."""
        return _ids(self)[0]

    @property
    def cell_id(self) -> str:
        """12 hex digits that name the trial's cell: the trial without its seed."""
        return _ids(self)[1]

    @property
    def n_features(self) -> int:
        """Pixel values of one image; imports the data set's entry if it is of one's own."""
        return DATA_SETS.find(self.data).n_features

    @property
    def steps_per_epoch(self) -> int:
        """Minibatches of one pass over the training images, those held out not counted."""
        return math.ceil((self.train_images - self.validation_images) / self.batch_size)

    @property
    def evaluation_steps(self) -> int:
        """Batches of an epoch's evaluation, over held-out and test images."""
        return sum(math.ceil(n / self.batch_size) for n in (self.validation_images, self.test_images))

    def row(self) -> dict[str, object]:
        """The fields as plain values of a table, by column: the architecture by its name."""
        return {name: getattr(self, name) for name in type(self).model_fields} | {
            "architecture": self.architecture.name
        }


def numerics(binarize: str) -> int:
    """The numerics version of trials with this `binarize`, which is a part of their names.

    It is raised for those trials alone whose numbers change. 2: the pixels of `dynamic` have random numbers of their
    own; under 1 they shared those of the samples' noise.
    """
    return 2 if binarize == "dynamic" else 1


class EarlierConfig(TrialConfig):
    """The configuration of a stored trial of an earlier numerics version, whose numbers no code makes any more.

    Such a trial is kept and read, but neither trained further nor compared with others.
    """

    @property
    def numerics(self) -> int:
        """The version under which the trial was trained."""
        return 1

    @property
    def anew(self) -> TrialConfig:
        """The same fields in today's numerics version: what a run trains in its place."""
        return TrialConfig.model_construct(**dict(self))


def facts(name: str) -> Facts:
    """What is known of the field of a trial that has this name, beside type and constraints."""
    return cast(Facts, TrialConfig.model_fields[name].json_schema_extra)


def fields_of(*roles: Role) -> tuple[str, ...]:
    """The fields of a trial that have one of these roles."""
    return tuple(name for name in TrialConfig.model_fields if facts(name).get("role") in roles)


IDENTITY_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {name: facts(name)["identity"] for name in TrialConfig.model_fields if "identity" in facts(name)}
)
FOLLOWS: Mapping[str, Follows] = MappingProxyType(
    {name: facts(name)["follows"] for name in TrialConfig.model_fields if "follows" in facts(name)}
)
OF_MODELS = tuple(name for name in TrialConfig.model_fields if facts(name).get("of_models"))
NAMING = tuple(  # what a reader looks for first: the fields that every trial has always said of itself
    name for name in TrialConfig.model_fields if name not in {*IDENTITY_DEFAULTS, *FOLLOWS, *fields_of("run")}
)


def follows(name: str, fields: Mapping[str, Any]) -> bool:
    """Whether a field has the value that it would have if it were left out: `eval_k` equal to K, all images used."""
    return name in FOLLOWS and bool(fields[name] == FOLLOWS[name].value(fields[FOLLOWS[name].source]))


def identity(config: TrialConfig) -> dict[str, object]:
    """What makes a cell, as JSON values: the resolved fields that are not at their identity default, and the numerics.

    Fields of the role "run" and those that follow from another are left out. Names are hashes of this.
    """
    given = dict(config)
    resolved = config.model_dump(mode="json", exclude=set(fields_of("run")))
    at_default = {
        name for name in resolved if follows(name, given) or resolved[name] == IDENTITY_DEFAULTS.get(name, ...)
    }
    return {**{name: value for name, value in resolved.items() if name not in at_default}, "numerics": config.numerics}


@lru_cache(maxsize=2**17)
def _ids(config: TrialConfig) -> tuple[str, str]:
    fields = identity(config)
    return _digest({**fields, "seed": config.seed}), _digest(fields)


def _digest(fields: Mapping[str, object]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
