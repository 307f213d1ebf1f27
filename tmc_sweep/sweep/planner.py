"""What is left to train, and in which packs. Needs neither Ray nor the training code."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from tmc_sweep.config import TrialConfig
from tmc_sweep.records import Status


def missing(configs: Sequence[TrialConfig], rows: Mapping[str, Mapping[str, object]]) -> list[TrialConfig]:
    """The trials that, by the trial table's rows, have epochs left or failed; diverged and stopped ones never are."""
    return [config for config in configs if _is_missing(config, rows.get(config.trial_id))]


def _is_missing(config: TrialConfig, row: Mapping[str, object] | None) -> bool:
    if row is None or row["status"] == Status.FAILED:
        return True
    ended = row["status"] in (Status.DIVERGED, Status.STOPPED)
    return not ended and int(str(row["epochs_done"])) < config.epochs


def packs(
    configs: Sequence[TrialConfig], size: int, key: Callable[[TrialConfig], str]
) -> list[tuple[TrialConfig, ...]]:
    """The trials in packs of at most `size` with equal keys, in the order of their first members."""
    alike: defaultdict[str, list[TrialConfig]] = defaultdict(list)
    for config in configs:
        alike[key(config)].append(config)
    groups = [tuple(group[i : i + size]) for group in alike.values() for i in range(0, len(group), size)]
    order = {config.trial_id: position for position, config in enumerate(configs)}
    return sorted(groups, key=lambda group: order[group[0].trial_id])
