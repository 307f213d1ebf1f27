"""One trial, trained in this process: a generator of records; the caller decides where they go."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch

from tmc_sweep.config import TrialConfig
from tmc_sweep.data import Images, Split, load
from tmc_sweep.errors import InputError
from tmc_sweep.records import EpochRecord
from tmc_sweep.training.pack import Pack
from tmc_sweep.training.state import TrialState


def train(
    config: TrialConfig | Mapping[str, object],
    *,
    images: Images | None = None,
    state: TrialState | None = None,
    device: str = "cpu",
) -> Iterator[EpochRecord]:
    """Train one trial in this process, without Ray, and yield each epoch's record as it ends.

    `config` is a TrialConfig or a mapping of its fields; `images` default to the configuration's data set, `state` to
    the trial's initial one (a given state is left as it is). Ends after `config.epochs`, or with the first record that
    is not finite (`diverged`). Raises InputError on a bad configuration or data set. The protocol is the article's
    (section 4.1).
    """
    config = config if isinstance(config, TrialConfig) else TrialConfig.parse(config)
    if state is not None and state.config.trial_id != config.trial_id:
        raise InputError(
            f"the state must be of trial {config.trial_id}, but is of {state.config.trial_id}: "
            "give the configuration it was trained with (epochs may differ)"
        )
    start = replace(state, config=config) if state else TrialState.initial(config)
    return _epochs(start, Split.of(images or load(config.data), config, device), device)


def _epochs(state: TrialState, data: Split, device: str) -> Iterator[EpochRecord]:
    pack = Pack([state], data, device)
    while not pack.states[0].finished:
        yield from pack.train_epoch()


@contextmanager
def threads(number: int | None = None) -> Iterator[None]:
    """As many torch threads while inside, as now if None; afterwards as before, whatever was set inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
