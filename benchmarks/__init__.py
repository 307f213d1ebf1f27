"""How fast it is: `python -m benchmarks` measures all and writes docs/performance.md; needs the `test` extra.

Each also runs alone, `python -m benchmarks.step --help`, and prints a table, or `{"rows": [...]}` with --json.
"""

import os

# Read once, when torch is imported: without them its profiler chats on stderr.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

ENVIRONMENT = dict(os.environ)  # of each benchmark: Ray and our own modules add to it when they are imported
