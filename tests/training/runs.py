"""Short runs on digits for the tests of training."""

from collections.abc import Sequence

import torch
from twin import unchecked

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split
from tmc_sweep.training import Pack, TrialState

SHAPES = {
    "small": {},
    "large": {"architecture": "large"},
    "ablation": {"architecture": "ablation"},
    "clustering": {"architecture": "clustering"},
    "factorised": {"proposal": "factorised", "weight_norm": True},
    "learned prior": {"prior": "learned", "init": "torch", "objective": "iwae"},
    "stl": {"objective": "elbo", "gradient": "stl"},
    "dregs": {"proposal": "factorised", "gradient": "dregs"},
    "dynamic": {"binarize": "dynamic", "validation_images": 20, "objective": "elbo"},
}
MULTIPLES_OF_4 = [name for name in SHAPES if name != "clustering"]


def configured(**fields: object) -> TrialConfig:
    """Two batches of 64 and a last one of 29; evaluation in batches of 64 and 13."""
    sizes = {"train_images": 157, "test_images": 77, "batch_size": 64, "epochs": 3}
    return TrialConfig.parse({**sizes, "K": 3, **fields, "train_images": 157 + int(fields.get("validation_images", 0))})


def pack_of(images: Images, *configs: TrialConfig) -> Pack:
    return Pack([TrialState.initial(config) for config in configs], Split.of(images, configs[0]))


@unchecked()
def run(images: Images, *configs: TrialConfig, epochs: int = 2) -> list[TrialState]:
    """The members' states after some epochs in one pack."""
    pack = pack_of(images, *configs)
    for _ in range(epochs):
        pack.train_epoch()
    return [pack.state(index) for index in range(len(configs))]


def outcomes(state: TrialState) -> list[tuple[float | None, ...]]:
    return [record.outcome() for record in state.history]


def assert_same_state(got: TrialState, expected: TrialState, *, rtol: float = 0.0) -> None:
    """Equal parameters, Adam moments and outcomes: bitwise unless a relative tolerance is given."""
    tolerance = {"rtol": rtol, "atol": rtol, "equal_nan": True}
    torch.testing.assert_close(got.parameters, expected.parameters, **tolerance)
    torch.testing.assert_close(got.adam, expected.adam, **tolerance)
    torch.testing.assert_close(as_table(got), as_table(expected), **tolerance)


def as_table(state: TrialState) -> torch.Tensor:
    rows: Sequence[Sequence[float | None]] = outcomes(state)
    return torch.tensor([[7.0 if value is None else value for value in row] for row in rows], dtype=torch.float64)
