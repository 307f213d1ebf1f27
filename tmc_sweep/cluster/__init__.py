"""A sweep on a cluster, seen from outside it: its head over SSH, its jobs, and what is wrong with its nodes."""

import tmc_sweep.sweep  # noqa: F401 - it sets Ray's authentication mode before any module below imports Ray
