"""Figures and pages of sweeps, made from their tables alone.

`tables` reads all that a report shows of one sweep, `figures/` draws it (a file per kind of figure), `views` makes
tables of it, and `page` puts figures and tables on one HTML page. What another room has to say, such as the article, is
handed to the page as an appendix. No torch, no Ray.
"""
