"""What handing out one epoch's batches costs, in random order and scaled to [0, 1]: CPU seconds.

    python -m benchmarks.data --images 60000 --json

Ours keeps the images as uint8 and indexes them per batch, as a pack does. Beside it: torch's DataLoader over float
tensors, and over torchvision's images one by one with ToTensor, the usual way to read MNIST. The images are random ones
of MNIST's shape: their content costs nothing.
"""

from collections.abc import Sequence
from typing import Annotated, TypedDict

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import ToTensor

from benchmarks import command
from benchmarks.measure import cpu_ms
from benchmarks.workload import BATCH, configuration, random_images
from tmc_sweep.data import batch


class Row(TypedDict):
    """One way to read the data."""

    path: str
    cpu_seconds: float  # an epoch
    ratio: float  # to ours


class Torchvision(Dataset[tuple[Tensor, int]]):
    """What torchvision.datasets.MNIST does for each image, without its files."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.view(-1, 28, 28)
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index].numpy())), 0


def rows(images: Annotated[int, "of an epoch"] = 60_000, rounds: command.Rounds = 5) -> Sequence[Row]:
    """The three ways."""
    return measure(images, rounds)


def measure(count: int, rounds: int) -> list[Row]:
    """The three ways in turns."""
    images = random_images(configuration(), count)
    loaders = {
        "TensorDataset + DataLoader": DataLoader(TensorDataset(images / 255), BATCH, shuffle=True),
        "torchvision + DataLoader": DataLoader(Torchvision(images), BATCH, shuffle=True),
    }
    runs = {"ours": lambda: ours(images)} | {name: lambda it=it: exhaust(it) for name, it in loaders.items()}
    seconds = [ms / 1e3 for ms in cpu_ms(*runs.values(), rounds=rounds)]
    return [
        {"path": name, "cpu_seconds": each, "ratio": each / seconds[0]}
        for name, each in zip(runs, seconds, strict=True)
    ]


def ours(images: Tensor) -> None:
    """As `tmc_sweep.training.Pack` goes through an epoch."""
    for index in torch.randperm(len(images)).unsqueeze(0).split(BATCH, dim=1):
        batch(images, index)


def exhaust(loader: DataLoader[Tensor]) -> None:
    """Ask for every batch."""
    for _ in loader:
        pass


main = command.of(rows)

if __name__ == "__main__":
    main()
