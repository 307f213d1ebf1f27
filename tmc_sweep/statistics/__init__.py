"""What the tables say in numbers: statistics of cells, rankings, differences, times, and exports to other programs.

All of them begin with `windows.read_runs`, which reads one metric of a sweep and picks each cell's window of last
epochs. `summary` has a cell's mean and spreads, `ranking` puts cells in order, `paired` compares cells seed by seed,
and `compare` does so for two sweeps. `pace` estimates how long the rest takes, `inference` has intervals and p-values.

Reads what `store` holds, and changes nothing but the stored summary. No torch, no Ray.
"""
