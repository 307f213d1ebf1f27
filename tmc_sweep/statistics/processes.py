"""Which process trained which trial, and in which turn: whether seconds of cells may be compared.

Two processes that do the same differ more in their seconds than the epochs of one process do, and a machine may be
busier later. Seconds of cells are therefore compared only between processes that trained one trial each, and took turns
round by round: one of each cell, then again one of each. What the machine does meanwhile then meets all cells alike.
`resources.alone` trains a sweep so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd


@dataclass(frozen=True)
class Process:
    """The process that trained a trial in its last attempt."""

    name: str
    turn: int  # the attempt's position among all of the sweep, in the order in which they began
    trials: int  # how many trials the process trained in all


def processes(attempts: pd.DataFrame) -> dict[str, Process]:
    """The process of each trial's last attempt, by trial_id; trials whose process is not on record are left out.

    `attempts` is the attempt table, in the order in which attempts began.
    """
    last = attempts.loc[attempts["attempt"] == attempts.groupby("trial_id")["attempt"].transform("max")]
    trials = attempts.groupby("process")["trial_id"].nunique()
    known = last[last["process"].notna()]
    return {
        trial_id: Process(name, int(turn), int(trials[name]))
        for turn, trial_id, name in zip(known.index, known["trial_id"], known["process"], strict=True)
    }


def unproven(rounds: Sequence[Sequence[Process | None]]) -> str:
    """Why seconds cannot be compared between these rounds, each with one process per cell; "" if they can."""
    known = [[each for each in of_round if each] for of_round in rounds]
    if any(len(some) < len(all_) for some, all_ in zip(known, rounds, strict=True)):
        return "not on record which processes trained"
    if any(each.trials > 1 for of_round in known for each in of_round):
        return "not each trial had a process of its own"
    turns = sorted(sorted(each.turn for each in of_round) for of_round in known)
    if any(one[-1] > other[0] for one, other in pairwise(turns)):
        return "cells did not take turns"
    return ""


def at_once(trials: pd.DataFrame, epochs: pd.DataFrame) -> dict[str, int]:
    """How many processes, at most, trained on a trial's host while it trained, its own included.

    By trial_id, for the trials that have epochs. A process counts from the beginning of a trial's first epoch in its
    last attempt to the end of its last epoch; the members of a pack are one process.
    """
    if epochs.empty:
        return {}
    newest = epochs[epochs["attempt"] == epochs.groupby("trial_id")["attempt"].transform("max")]
    began = newest["time"] - pd.to_timedelta(newest["epoch_seconds"], unit="s")
    spans = pd.DataFrame({"began": began, "ended": newest["time"]}).groupby(newest["trial_id"])
    of_trial = spans.agg({"began": "min", "ended": "max"}).join(trials.set_index("trial_id")[["host", "pack_size"]])
    return {str(name): most for _, own in of_trial.groupby("host", dropna=False) for name, most in _most(own).items()}


def _most(spans: pd.DataFrame) -> "pd.Series[int]":
    """The same for the trials of one host; each of n members of a pack counts as the n-th part of a process."""
    shares = 1.0 / spans["pack_size"].fillna(1).astype(float)
    changes = pd.concat([shares.set_axis(spans["began"]), -shares.set_axis(spans["ended"])])
    load = changes.groupby(level=0).sum().cumsum().round(6)
    loads = [load[began:ended].iloc[:-1] for began, ended in zip(spans["began"], spans["ended"], strict=True)]
    return pd.Series([math.ceil(own.max()) if len(own) else 1 for own in loads], spans.index)
