"""YAML search spaces: from a file to its trials, with errors that point at the very value that is wrong.

    space = load("search_spaces/mine.yaml", overrides=["epochs=10"])    # SpaceError if it breaks a rule
    space.trials()                                                      # every TrialConfig that it asks for

A file passes through these modules in order: `source` reads the YAML as a tree of nodes that know their line and
column; `overrides` puts in the values of `--set`; `fields` and `domains` read each value by the rule of its field;
`schema` has the other sections; `search_space` multiplies all out to trials; and `load` calls them and checks what
concerns several values. `foreign` translates other programs' words, `own` imports what is of one's own, and `write`
goes the other way, from a cell to a file.
"""

from tmc_sweep.space.load import load, parse
from tmc_sweep.space.mistakes import SpaceError
from tmc_sweep.space.search_space import SearchSpace

__all__ = ["SearchSpace", "SpaceError", "load", "parse"]
