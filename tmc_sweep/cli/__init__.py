"""The command line `tmc-sweep`: a file per theme, each with its commands.

`app` has the commands that every user needs, and the options that several commands share; importing a module here
registers its commands. `terminal` is the only code that prints, and `show` formats results. Heavy imports are inside of
the commands, so that `tmc-sweep --help` starts at once. A command's docstring is its help text: the first sentence is
shown in the list of commands.
"""

from tmc_sweep.cli import analysis, best, claims, compare, doctor, export, jobs, remote, report, reproduce, toy  # noqa: F401
from tmc_sweep.cli.app import main

__all__ = ["main"]
