"""What the tables say in numbers: statistics of cells, rankings, differences, times, and exports to other programs.

Statistics of cells begin with `windows.read_runs`, which reads one metric of a sweep; a cell's window is its last
epochs. `summary` has a cell's mean and spreads, `ranking` puts cells in order, `paired` compares cells seed by seed,
and `compare` does so for two sweeps. `pace` estimates how long the rest takes, `inference` has intervals and p-values.

Reads what `store` holds, and changes nothing but the stored summary. No torch, no Ray.
"""
