"""Measurements, side by side with plain references; each also runs alone: `python -m benchmarks.step --help`."""
