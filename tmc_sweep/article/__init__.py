"""The article that this project reproduces: its claims, its published numbers, and what our sweeps say of them.

`claims.yaml` lists what the article asserts, with a measure and a rule for each; `published.yaml` lists the numbers
that it prints. `evidence` turns a sweep's tables into trials, `measures` turn trials into readings, and `verdicts`
judges the readings of a claim. `comparison` lays published numbers beside ours. `appendix` puts both at the end of a
report; without cells of the article a report has no such appendix.
"""
