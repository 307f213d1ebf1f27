"""The sweep of `analysed.py`: one that nothing is added to, or one of one's own."""

from analysed import store
from copied import fixtures

stored, paths = fixtures(store)
