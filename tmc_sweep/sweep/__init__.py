"""A sweep as it runs: what is left to train, how it is packed, who trains the packs, and the one writer.

`runner.run` is where a sweep begins; read it from top to bottom. `packing` decides which trials train together, and an
executor (`executor`) trains the packs: by Ray (`session`, `channel` and the files about clusters), or in this process
(`inline`). `pack_run` is a pack's life in the process that trains it, and `writer` records what it reports.

Ray reads its authentication mode when it is first imported, so it is set here, before any module below does that: this
user's token, where there is one, opens clusters that ask for it, and the others accept it too.
"""

import os
from pathlib import Path

TOKEN = Path.home() / ".ray" / "auth_token"

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # a cluster's end is no news

if TOKEN.is_file():
    os.environ.setdefault("RAY_AUTH_MODE", "token")
