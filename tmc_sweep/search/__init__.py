"""Which cell is trained next, and which stops early: both are decided from the curves on record.

`cells` is where a run enters: it makes the search and the early stopping that a search space asks for. `study` asks an
Optuna sampler (`samplers`) for the next cell. `early_stopping` asks a stopping rule (`stopping_rule`, with `asha` and
`median`) whether a cell goes on. Both look at `curves`. Optuna, no Ray.
"""
