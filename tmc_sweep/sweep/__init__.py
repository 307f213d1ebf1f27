"""Sweeps on Ray: sessions, trials of Ray Tune, and the one writer beside the driver.

Ray reads its authentication mode when it is first imported, so it is set here, before any module below does that: this
user's token, where there is one, opens clusters that ask for it, and the others accept it too.
"""

import os
from pathlib import Path

TOKEN = Path.home() / ".ray" / "auth_token"

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # a cluster's end is no news

if TOKEN.is_file():
    os.environ.setdefault("RAY_AUTH_MODE", "token")
