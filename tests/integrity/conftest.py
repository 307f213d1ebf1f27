"""The sweep of `stored.py`: stored once, and a copy for each test to damage."""

from copied import fixtures
from stored import store

stored, paths = fixtures(store)
