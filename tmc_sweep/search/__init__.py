"""Which cell is trained next, and which stops early: decided from the curves on record. Optuna, no Ray."""
