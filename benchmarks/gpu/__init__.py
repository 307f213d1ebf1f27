"""All that one GPU should show, in nine minutes, on a machine that has torch and numpy and no Ray.

`python -m benchmarks.gpu --help` has the command; `parts.py` lists what is measured, the most important first.
"""
