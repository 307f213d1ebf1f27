"""Which processes trained what, and in which turn, from the attempt table: what a comparison of seconds rests on.

Seconds differ between processes that do the same, by more than between the epochs of one. So they are compared between
processes that trained one trial each, of which those of the cells compared took turns, round by round: what a machine
does meanwhile then meets all cells alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd


@dataclass(frozen=True)
class Process:
    """What trained a trial, in its last attempt."""

    name: str
    turn: int  # of the trial's attempt among all of the sweep, in the order in which they began
    trials: int  # that it trained in all


def processes(attempts: pd.DataFrame) -> dict[str, Process]:
    """By trial; none of those whose process is not on record."""
    last = attempts.loc[attempts["attempt"] == attempts.groupby("trial_id")["attempt"].transform("max")]
    trials = attempts.groupby("process")["trial_id"].nunique()
    known = last[last["process"].notna()]
    return {
        trial_id: Process(name, int(turn), int(trials[name]))
        for turn, trial_id, name in zip(known.index, known["trial_id"], known["process"], strict=True)
    }


def unproven(rounds: Sequence[Sequence[Process | None]]) -> str:
    """Why the seconds of these rounds, a process of each cell in each, cannot be compared; empty if they can."""
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
    """By trial_id, of the trials that have epochs: the most processes that trained on its host at once while it did.

    Its own is one of them. A process trains a pack, from the beginning of its first epoch in the last attempt to the
    end of its last.
    """
    if epochs.empty:
        return {}
    newest = epochs[epochs["attempt"] == epochs.groupby("trial_id")["attempt"].transform("max")]
    began = newest["time"] - pd.to_timedelta(newest["epoch_seconds"], unit="s")
    spans = pd.DataFrame({"began": began, "ended": newest["time"]}).groupby(newest["trial_id"])
    of_trial = spans.agg({"began": "min", "ended": "max"}).join(trials.set_index("trial_id")[["host", "pack_size"]])
    return {str(name): most for _, own in of_trial.groupby("host", dropna=False) for name, most in _most(own).items()}


def _most(spans: pd.DataFrame) -> "pd.Series[int]":
    """Of one host; each member of a pack counts for its part of a process."""
    shares = 1.0 / spans["pack_size"].fillna(1).astype(float)
    changes = pd.concat([shares.set_axis(spans["began"]), -shares.set_axis(spans["ended"])])
    load = changes.groupby(level=0).sum().cumsum().round(6)
    loads = [load[began:ended].iloc[:-1] for began, ended in zip(spans["began"], spans["ended"], strict=True)]
    return pd.Series([math.ceil(own.max()) if len(own) else 1 for own in loads], spans.index)
