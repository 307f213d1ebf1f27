"""How many processes trained side by side on a machine, on which their seconds depend, from the tables alone."""

import math

import pandas as pd


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
