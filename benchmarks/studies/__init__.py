"""Studies: how good what is chosen is, not how fast; measured and shown like the benchmarks."""
