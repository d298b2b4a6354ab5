"""Makes a home of an older build that was killed half-way, small enough to lie in the repository.

    python -m trials.old_home [--old COMMIT] [--out FILE]

What `tests/workers/test_old_home.py` opens. The older build runs preset `smoke`, with one arm, a model of few weights
and demonstrations that start at rest, as three arms, the usual model and the usual starts do not fit into 2 MB. It is
killed while it trains and has a checkpoint. Left out are logs and what the home's processes leave behind.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from trials import REPOSITORY
from trials.upgrade import OLD, environment, killed_in, worktree

_SETTINGS = (
    "data.starts=rest",
    "model.override.vision={image_size: 36, width: 16, heads: 2, layers: 2, mlp_width: 32}",
    "model.override.language={hidden: 16, heads: 2, kv_heads: 1, layers: 1, mlp_width: 32}",
    "model.override.denoiser={width: 8, heads: 2, repeats: 1}",
    "training.steps=60",
    "training.checkpoint_seconds=1",
    "evaluation.sequences=2",
    "evaluation.sequences_per_shard=1",
    "attention.frames=8",
)
#: The command that made the fixture's ablation, but for where and on what it runs.
SUBMITTED = (
    "submit-ablation", "--preset", "smoke", "--arms", "recon", "--seeds", "0",
    *(word for text in _SETTINGS for word in ("--set", text)),
)  # fmt: skip
_MOST_BYTES = 2_000_000
_LEFT_OUT = ("run", "logs", "reports", "cache")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", default=OLD)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or REPOSITORY / "tests" / "data" / "old_home" / f"{options.old}.tar.xz"
    with (
        tempfile.TemporaryDirectory(prefix="baton-old-home-") as folder,
        worktree(options.old, Path(folder)) as old,
    ):
        home = Path(folder) / "home"
        print(killed_in("train", old, home, *SUBMITTED, "--gpus", "none", label="train recon %"))
        subprocess.run(
            [sys.executable, "cli.py", "--home", str(home), "artifacts", "gc"],
            cwd=old, env=environment(old), check=True,
        )  # fmt: skip
        with closing(sqlite3.connect(home / "state.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with tarfile.open(out, "w:xz", preset=9) as archive:
            archive.add(home, "home", filter=_kept)
    print(f"{out}: {out.stat().st_size} bytes")
    return 0 if out.stat().st_size <= _MOST_BYTES else 1


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(entry.name).parts
    if len(parts) > 1 and (parts[1] in _LEFT_OUT or parts[1].startswith("state.db-")):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    sys.exit(main())
