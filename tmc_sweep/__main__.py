"""`python -m tmc_sweep`: the command line where `tmc-sweep` is not on the path."""

from tmc_sweep.cli import main

main()
