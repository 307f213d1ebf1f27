"""A Ray cluster seen from outside: its head over SSH, sweeps as jobs on it, and what is wrong with its nodes.

`launcher` finds the head of a cluster of `ray up`, and `ssh` runs commands there, for `--cluster FILE`. `server` and
`jobs` submit sweeps to a job server. `doctor` checks this machine and the cluster. `fleet` says what machines a sweep
may train on and what they cost, for `plan`.
"""

import tmc_sweep.sweep  # noqa: F401 - it sets Ray's authentication mode before any module below imports Ray
