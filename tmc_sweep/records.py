"""What is recorded: one epoch of one trial, how a trial ended, and every column of every table.

Columns are declared here and nowhere else. The Parquet schemas, the checks on reading, the tables of figures and pages,
and results/README.md are made from these declarations. The columns that describe a trial's configuration are made from
the fields of `TrialConfig`. A new column must not be `required`, so that older tables, which lack it, can be read.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

from tmc_sweep.config import IDENTITY_DEFAULTS, MAX_EPOCHS, TrialConfig, facts, fields_of
from tmc_sweep.explain import bounds
from tmc_sweep.registry import BOUNDS

DType = Literal["string", "int64", "float64", "bool", "timestamp", "binary"]

_TYPES: Mapping[DType, type[Any]] = {
    "string": str,
    "int64": int,
    "float64": float,
    "bool": bool,
    "timestamp": datetime,
    "binary": bytes,
}
_RANGES: Mapping[DType, tuple[Any, Any]] = {  # the least and the greatest value that a column of the type may have
    "int64": (-(2**63), 2**63 - 1),
    "timestamp": (datetime(1970, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)),  # pandas has none beyond
}


class Status(StrEnum):
    """Where a trial stands. Diverged and stopped are results: a later run does not train such a trial again.

    Pending: not begun, or to be gone on with. Stopped: by a stopping rule, before its last epoch.
    """

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"
    FAILED = "failed"
    STOPPED = "stopped"


OPEN = (Status.PENDING, Status.RUNNING)
OVER = (Status.DIVERGED, Status.STOPPED)  # never have more epochs, whatever is asked for
FINISHED = (Status.DONE, *OVER)  # trained by no later run, unless a done one is asked for more epochs
ENDED_EARLY = (Status.DIVERGED, Status.FAILED, Status.STOPPED)
ENDED = (Status.DONE, *ENDED_EARLY)
INTERRUPTED = "interrupted"  # how an attempt ends whose trial goes on in another


@dataclass(frozen=True)
class Column:
    """One column of a table: its type, unit and meaning, and which values it may have.

    `unit` is "" where there is none. A file without a `required` column is not this table. A file that was written
    before another column was declared is read as if the column held `absent` in every row. A column that is required,
    or whose `absent` is not None, has no nulls.

    Values lie from `least` to `most`, are among the `choices`, and match the regular expression `pattern` as a whole,
    each where it is given.
    """

    name: str
    dtype: DType
    unit: str
    meaning: str
    required: bool = False
    absent: object = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def nullable(self) -> bool:
        """Whether it may hold nulls."""
        return not self.required and self.absent is None

    def admits(self, value: Any) -> bool:
        """Whether the column may hold this value, which must be of its very type. NaN is admitted without bounds."""
        if value is None:
            return self.nullable
        if type(value) is not _TYPES[self.dtype]:
            return False
        if isinstance(value, str):
            fits = not self.pattern or re.fullmatch(self.pattern, value) is not None
            return fits and (not self.choices or value in self.choices)
        least, most = _RANGES.get(self.dtype, (None, None))
        least, most = (least if self.least is None else self.least), (most if self.most is None else self.most)
        return (least is None or value >= least) and (most is None or value <= most)


@dataclass(frozen=True)
class Provenance:
    """Where and with what a trial is trained; each field is a column of the trial table and the attempt table."""

    host: str
    device: str
    threads: int
    engine: str
    versions: str
    git_commit: str | None = None
    git_dirty: bool | None = None
    processor: str | None = None
    arithmetic: str | None = None


# equal ones give equal bits, on a CPU
MEANS = ("host", "processor", "arithmetic", "device", "threads", "engine", "versions")


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What was measured in one epoch of one trial: the row that training reports and the epoch table stores.

    The fields are MEASURED_COLUMNS, where each has its unit and meaning: bounds in nats per image, times in seconds.
    None means not evaluated, NaN computed and not finite.
    """

    trial_id: str
    epoch: int
    train_objective: float
    val_elbo: float | None
    val_iwae: float | None
    val_tmc: float | None
    val_objective: float | None
    test_elbo: float
    test_iwae: float
    test_tmc: float
    test_objective: float
    epoch_seconds: float
    eval_seconds: float
    peak_memory_bytes: int
    grad_norm: float
    attempt: int
    time: datetime

    @property
    def diverged(self) -> bool:
        """Whether anything computed in this epoch is not finite, which ends the trial."""
        return not all(math.isfinite(value) for value in self.outcome() if value is not None)

    def outcome(self) -> tuple[float | None, ...]:
        """The values of OUTCOME_COLUMNS, which an epoch that is trained again must reproduce to the bit."""
        return tuple(getattr(self, name) for name in OUTCOME_COLUMNS)

    def to_json(self) -> dict[str, object]:
        """The record as JSON values; NaN stays NaN, which Python's json writes and reads."""
        return {**asdict(self), "time": self.time.isoformat()}

    @classmethod
    def from_json(cls, values: dict[str, object]) -> Self:
        """The record that `to_json` gave; a column declared since has its `absent` value.

        ValueError or TypeError if these are not the values of an epoch.
        """
        columns = (TRIAL_ID, *MEASURED_COLUMNS)
        fields: dict[str, Any] = {**{column.name: column.absent for column in columns}, **values}
        fields["time"] = datetime.fromisoformat(str(fields["time"]))
        for column in columns:
            if not column.admits(fields[column.name]):
                raise ValueError(f"{column.name} of an epoch cannot be {fields[column.name]!r:.40}")
        return cls(**fields)


OUTCOME_COLUMNS = (  # what follows from the configuration alone: all but when, where and for how long
    "train_objective",
    *(f"{split}_{bound}" for split in ("val", "test") for bound in (*BOUNDS, "objective")),
    "grad_norm",
)

PER_IMAGE = "nats per image"  # the unit of every bound

_ID = "[0-9a-f]{12}"
TRIAL_ID = Column(
    "trial_id", "string", "", "names the trial: a hash of its resolved configuration and seed", True, pattern=_ID
)
CELL_ID = Column("cell_id", "string", "", "names the cell: the trial without its seed", True, pattern=_ID)
IDENTITY_COLUMNS = (TRIAL_ID, CELL_ID)

_CONFIG_ORDER = ("objective", "architecture", "data", "K", "lr", "seed")
_CONFIG_DTYPES: dict[object, DType] = {int: "int64", float: "float64", bool: "bool"}


def _config_column(name: str) -> Column:
    info = TrialConfig.model_fields[name]
    known = bounds(info)
    return Column(
        name,
        _CONFIG_DTYPES.get(info.annotation, "string"),
        facts(name).get("unit", ""),
        info.description or "",
        required=name not in IDENTITY_DEFAULTS,
        absent=IDENTITY_DEFAULTS.get(name),
        least=math.nextafter(known["gt"], math.inf) if "gt" in known else known.get("ge"),
        most=math.nextafter(known["lt"], -math.inf) if "lt" in known else known.get("le"),
    )


CONFIG_COLUMNS = tuple(
    _config_column(name) for name in dict.fromkeys((*_CONFIG_ORDER, *TrialConfig.model_fields)) if name != "epochs"
)
CELL_COLUMNS = tuple(column for column in CONFIG_COLUMNS if column.name not in fields_of("run"))
CELL_FIELDS = tuple(column.name for column in CELL_COLUMNS)
FIXED_COLUMNS = (*IDENTITY_COLUMNS, *CONFIG_COLUMNS)  # the same in every row of a trial


def fixed_values(config: TrialConfig) -> dict[str, object]:
    """The trial's values of FIXED_COLUMNS, by name: what every row of the trial, in any table, has."""
    values = {"trial_id": config.trial_id, "cell_id": config.cell_id, **config.row()}
    return {column.name: values[column.name] for column in FIXED_COLUMNS}


def _bound_columns(split: str, images: str, of_first: str, of_others: str) -> Iterator[Column]:
    """A column for each bound that is built in. A bound of one's own is in `*_objective` of the trials trained on it.

    The meaning ends with `of_first` in the first column and with `of_others` in the others.
    """
    for number, (name, bound) in enumerate(BOUNDS.items()):
        meaning = f"{bound.title} of the {images}{of_others if number else of_first}"
        yield Column(f"{split}_{name}", "float64", PER_IMAGE, meaning)


MEASURED_COLUMNS = (
    Column("epoch", "int64", "", "1 for the first", required=True, least=1, most=MAX_EPOCHS),
    Column("train_objective", "float64", PER_IMAGE, "the trained bound, mean over the epoch's training batches"),
    *_bound_columns("val", "held-out images", "; null without validation_images", ""),
    Column("val_objective", "float64", PER_IMAGE, "the trained bound of the held-out images"),
    *_bound_columns("test", "test images", ", after the epoch's training", ", on the same samples"),
    Column("test_objective", "float64", PER_IMAGE, "the trained bound of the test images"),
    Column(
        "epoch_seconds",
        "float64",
        "seconds",
        "wall time of the epoch, evaluation included, compiling not",
        required=True,
        least=0,
    ),
    Column("eval_seconds", "float64", "seconds", "wall time of its evaluation"),
    Column(
        "peak_memory_bytes",
        "int64",
        "bytes",
        "on a GPU: most tensor memory in the epoch; on a CPU: most resident memory of the process so far",
        least=0,
    ),
    Column(
        "grad_norm",
        "float64",
        "nats",
        "L2 norm of the gradient of the batch's summed loss, mean over the epoch's steps",
    ),
    Column(
        "attempt", "int64", "", "how often training of the trial had been started, this time included", True, least=1
    ),
    Column("time", "timestamp", "UTC", "when the epoch ended", required=True),
)

METRICS = tuple(column.name for column in MEASURED_COLUMNS if column.unit == PER_IMAGE)
VALIDATION_METRICS = tuple(name for name in METRICS if name.startswith("val_"))  # of held-out images

EPOCH_COLUMNS = (*FIXED_COLUMNS, *MEASURED_COLUMNS)

_PROCESSOR = "model of its processor, and the vector instructions that torch uses there"
_ARITHMETIC = "version of the forms that formulas are computed in, and who makes large products there: oneDNN or torch"

TRIAL_COLUMNS = (
    *FIXED_COLUMNS,
    Column("epochs", "int64", "", "epochs asked for", required=True, least=1, most=MAX_EPOCHS),
    Column("epochs_done", "int64", "", "epochs in the epoch table", required=True, least=0, most=MAX_EPOCHS),
    Column("status", "string", "", f"one of {', '.join(Status)}", required=True, choices=tuple(Status)),
    Column("reason", "string", "", "why it diverged, failed or stopped, in one sentence; else null"),
    Column("attempts", "int64", "", "how often its training was started", required=True, least=0),
    Column("n_parameters", "int64", "", "trained values of its model"),
    Column("checkpoint_epoch", "int64", "", "epoch of its newest checkpoint; null without one", least=0),
    Column("checkpoint", "string", "", "that checkpoint's file, relative to the results folder; null without one"),
    Column("started", "timestamp", "UTC", "when its last attempt began; null before"),
    Column("ended", "timestamp", "UTC", "when it was done, diverged, failed or stopped; null before"),
    Column("host", "string", "", "machine of the last attempt"),
    Column("device", "string", "", "cpu, or the GPU's name"),
    Column("threads", "int64", "", "torch threads of the last attempt", least=1),
    Column("engine", "string", "", "eager, graph or compiled, in the last attempt; with tf32 where that was allowed"),
    Column("pack_size", "int64", "trials", "trials trained together in the last attempt, this one included", least=1),
    Column("data_checksum", "string", "", "SHA-256 of the data set's arrays, first 16 hex digits"),
    Column("versions", "string", "", "tmc_sweep, torch, ray and python of the last attempt"),
    Column("config", "string", "", "the whole configuration as JSON", required=True),
    Column("git_commit", "string", "", "commit of the checkout that tmc_sweep was run from; null outside one"),
    Column("git_dirty", "bool", "", "whether its files differed from that commit"),
    Column("gpu", "float64", "GPUs", "what its process had in the last attempt: below 1 a share of one, 0 on a CPU"),
    Column(
        "search_space",
        "string",
        "",
        "the YAML of its last attempt: first 12 hex digits of the SHA-256 of its text, which is in the manifest",
    ),
    Column("processor", "string", "", _PROCESSOR),
    Column("arithmetic", "string", "", _ARITHMETIC),
)

ATTEMPT_COLUMNS = (
    TRIAL_ID,
    Column("attempt", "int64", "", "1 for the first time that training of the trial was started", True, least=1),
    Column("pack", "string", "", "names the trials that were trained together: equal where they were the same"),
    Column("pack_size", "int64", "trials", "how many they were, this one included", least=1),
    Column("process", "string", "", "names the process that trained them, and no other, on any machine"),
    Column("host", "string", "", "its machine"),
    Column("processor", "string", "", _PROCESSOR),
    Column("arithmetic", "string", "", _ARITHMETIC),
    Column("device", "string", "", "cpu, or the GPU's name"),
    Column("gpu", "float64", "GPUs", "what the process had: below 1 a share of one, 0 on a CPU", least=0),
    Column("threads", "int64", "", "torch threads", least=1),
    Column("engine", "string", "", "eager, graph or compiled; with tf32 where that was allowed"),
    Column("versions", "string", "", "of tmc_sweep, torch, ray and python"),
    Column("git_commit", "string", "", "commit of the checkout that tmc_sweep was run from; null outside one"),
    Column("git_dirty", "bool", "", "whether its files differed from that commit"),
    Column("began", "timestamp", "UTC", "when the attempt was on record, before its first epoch"),
    Column("ended", "timestamp", "UTC", "when its end was on record; null before, and where its process was killed"),
    Column(
        "end",
        "string",
        "",
        f"{', '.join(ENDED)}, or {INTERRUPTED}: the run was stopped, or its process died; null while it trains",
        choices=(*ENDED, INTERRUPTED),
    ),
)

_STATISTIC_COLUMNS = (
    Column("metric", "string", "", "column of the epoch table that is summarised"),
    Column("last", "int64", "epochs", "length of the window asked for"),
    Column("first_epoch", "int64", "", "first epoch of the window"),
    Column("last_epoch", "int64", "", "last epoch of the window: the last that every seed has"),
    Column(
        "mean", "float64", PER_IMAGE, "mean over seeds of each seed's mean over the window; null where reason says why"
    ),
    Column("std_epochs", "float64", PER_IMAGE, "std (ddof 0) over the window of the curve averaged over seeds"),
    Column("std_epochs_within", "float64", PER_IMAGE, "mean over seeds of each seed's std (ddof 0) over the window"),
    Column("std_seeds", "float64", PER_IMAGE, "std (ddof 1) over seeds of each seed's mean; null for one seed"),
    Column("n_seeds", "int64", "", "seeds with rows in the epoch table"),
    Column("n_epochs", "int64", "", "epochs in the window"),
    Column("n_nonfinite", "int64", "", "values in the window, over all seeds, that are not finite"),
    Column("reason", "string", "", "why the statistic is null, in one sentence; else null"),
)


def summary_columns(cells: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of a summary, a row per cell, where the columns `cells` describe a cell."""
    return (Column("cell_id", "string", "", "names the cell", required=True), *cells, *_STATISTIC_COLUMNS)


SUMMARY_COLUMNS = summary_columns(CELL_COLUMNS)
STATISTICS = ("mean", "std_epochs", "std_epochs_within", "std_seeds")
COUNTS = ("n_seeds", "n_epochs", "n_nonfinite")
DIFFERENCES = ("mean_difference", "low", "high", "std_difference")

_CHECKPOINT = Column("epoch", "int64", "", "epoch of the checkpoint that was used", required=True, least=0)
_IMAGE = Column("image", "int64", "", "position in the data set's test images, from 0")
_LABEL = Column("label", "int64", "", "its class")
_PIXELS = "its pixels, a byte each"

EVALUATION_COLUMNS = (
    *FIXED_COLUMNS,
    _CHECKPOINT,
    Column("bound", "string", "", f"bound that was evaluated: {BOUNDS.rule}"),
    Column("samples", "int64", "", "samples per latent in this evaluation"),
    Column("value", "float64", PER_IMAGE, "the bound, mean over the test images; NaN: not finite"),
    Column("standard_error", "float64", PER_IMAGE, "std (ddof 1) over the test images, by the root of their number"),
    Column(
        "image_values",
        "binary",
        "nats",
        "the bound of each test image in the data set's order, little-endian float32: `numpy.frombuffer(it, '<f4')`; "
        "null in rows of before they were kept",
    ),
    Column("seconds", "float64", "seconds", "wall time of the evaluation"),
    Column("time", "timestamp", "UTC", "when it ended"),
)

RECONSTRUCTION_COLUMNS = (
    *FIXED_COLUMNS,
    _CHECKPOINT,
    Column("samples", "int64", "", "samples of z_1 that were averaged over"),
    _IMAGE,
    _LABEL,
    Column(
        "shape",
        "string",
        "",
        "height, width and, if any, colours of an image, as in `28-28`; null in rows of before it was kept",
        pattern=r"\d{1,9}(-\d{1,9}){0,2}",
    ),
    Column("original", "binary", "", _PIXELS),
    Column("reconstruction", "binary", "", f"mean over samples of p(x given z_1)'s mean: {_PIXELS}"),
)

LATENT_COLUMNS = (
    *FIXED_COLUMNS,
    _CHECKPOINT,
    Column("samples", "int64", "", "samples of the last latent that were averaged over"),
    _IMAGE,
    _LABEL,
    Column("x", "float64", "", "first dimension of the last latent, mean over samples"),
    Column("y", "float64", "", "its second dimension"),
    Column("predicted", "int64", "", "class that most of the image's 10 nearest among the other test images have"),
)
