"""A sweep on a cluster, seen from outside it: its head over SSH, its jobs, and what is wrong with its nodes."""

from tmc_sweep.sweep import TOKEN

__all__ = ["TOKEN"]  # imported here, so that `sweep` sets Ray's authentication mode before any module below imports Ray
