"""A sweep on a cluster, seen from outside it: its head over SSH, its jobs, and what is wrong with its nodes."""
