"""The search space that a command names, read in one way for all commands."""

from pathlib import Path
from typing import TYPE_CHECKING

from tmc_sweep.cli.terminal import tell

if TYPE_CHECKING:  # a command that needs none starts without it
    from tmc_sweep.space import SearchSpace


def load_space(file: Path, max_trials: int, assignments: list[str] | None) -> "SearchSpace":
    """The search space in a file with the `--set` assignments in it; tells which searches they replace.

    InputError as `space.load`.
    """
    from tmc_sweep.space import load

    space = load(file, max_trials, assignments or ())
    for sentence in space.replaced:
        tell(sentence)
    return space
