"""The command line: one command each, heavy imports inside the command."""

from tmc_sweep.cli import analysis, best, claims, compare, doctor, export, jobs, remote, report, reproduce, toy  # noqa: F401
from tmc_sweep.cli.app import main

__all__ = ["main"]
