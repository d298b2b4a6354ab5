"""Bundles against plain `tar` of the same home: speed of both ways, and what a second bundle sends.

    python -m benchmarks.bundle_carry --megabytes 1024 --files 200

A home is filled with finished demonstrations and a training run that has published three checkpoints of
equal size. `tar` packs and unpacks the folder as it is, which is not consistent while work goes on, hashes
nothing and carries what nobody needs; it is the speed of the disk. Each figure is the best of `--rounds`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import describe
from db import jobs, members, plans
from db.bundle.export import export
from db.bundle.receive import receive
from db.jobs import Claim, Ending, Seconds, StoredArtifact
from db.migrate import open_state
from db.plans import Dependency, Plan, PlannedJob
from db.states import SUCCEEDED, YIELDED
from db.store import ArtifactStore
from experiments.foreign import ForeignJobs
from settings.home import Home

RESULT = Path(__file__).resolve().parent / "results" / "bundle_carry.json"

CHECKPOINTS = 3
MIB = 1 << 20


class Filler:
    """Does an ablation's jobs with random bytes for results."""

    def __init__(self, home: Home, files: int) -> None:
        home.create()
        self.database, self.store, self._home = open_state(home), ArtifactStore(home), home
        episodes = [PlannedJob(f"e{n}", "ingest", f"e{n}", {}, "cpu", 10) for n in range(files)]
        needs = tuple(Dependency(job.key, "episode") for job in episodes)
        train = PlannedJob("train", "train", "train", {}, "cpu", 50, 1000, needs)
        plans.submit(self.database, Plan("a", "a", {}, [*episodes, train]), "benchmark", time.time())
        self._worker = members.join(self.database, "w", "cpu", None, time.time())

    def claim(self) -> Claim:
        """The next job that is ready."""
        (row,) = jobs.ring(self.database, "cpu", 1, time.time())
        claim = jobs.claim(self.database, row.id, self._worker, 60, time.time())
        assert claim is not None
        return claim

    def put(self, name: str, kind: str, size: int, final: bool) -> StoredArtifact:
        file = self._home.scratch / f"{name}.safetensors"
        with file.open("wb") as stream:
            for start in range(0, size, MIB):
                stream.write(os.urandom(min(MIB, size - start)))
        digest, path, length = self.store.put(file)
        return StoredArtifact(kind, name, digest, path, length, final)

    def demonstrate(self, files: int, size: int) -> None:
        for _ in range(files):
            claim = self.claim()
            ending = Ending(SUCCEEDED, 1, artifacts=[self.put("episode", "episode", size, True)])
            jobs.succeed(self.database, claim, ending, time.time())

    def train(self, first: int, steps: int, size: int) -> None:
        claim = self.claim()
        for step in range(first, first + steps):
            drafts = [self.put("weights", "checkpoint", size, False)]
            jobs.publish(self.database, claim, step, drafts, [], Seconds(), time.time())
        jobs.give_back(self.database, claim, Ending(YIELDED, first + steps - 1), time.time())
        members.leave(self.database, self._worker, time.time())
        self._worker = members.join(self.database, "w", "cpu", None, time.time())

    def close(self) -> None:
        members.leave(self.database, self._worker, time.time())
        self.database.close()


def timed(work: Callable[..., object], *arguments: object, **options: object) -> float:
    """Seconds until the work is done and on the disk."""
    os.sync()
    began = time.perf_counter()
    work(*arguments, **options)
    os.sync()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1024, help="of the whole home")
    parser.add_argument("--files", type=int, default=200, help="demonstrations; half of the bytes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to work [a temporary folder]")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="baton-carry-", dir=options.folder))
    home = Home(folder / "home")
    half = options.megabytes * MIB // 2
    filler = Filler(home, options.files)
    filler.demonstrate(options.files, half // options.files)
    filler.train(1, CHECKPOINTS, half // CHECKPOINTS)

    seconds: dict[str, list[float]] = {"export": [], "import": [], "tar": [], "untar": []}
    tar, unpacked, bundle, new = (
        folder / "home.tar",
        folder / "unpacked",
        folder / "1.bundle",
        Home(folder / "new"),
    )
    for number in range(options.rounds):
        if number:
            shutil.rmtree(unpacked)
            shutil.rmtree(new.root)
            bundle.unlink()
        unpacked.mkdir()
        pack, unpack = ["tar", "cf", tar, "-C", folder, "home"], ["tar", "xf", tar, "-C", unpacked]
        seconds["tar"].append(timed(subprocess.run, pack, check=True))
        seconds["untar"].append(timed(subprocess.run, unpack, check=True))
        seconds["export"].append(timed(export, filler.database, home, bundle, None, time.time()))
        seconds["import"].append(timed(receive, new, bundle, time.time(), ForeignJobs(new.artifacts)))
    tar_bytes, bundle_bytes = tar.stat().st_size, bundle.stat().st_size
    filler.train(CHECKPOINTS + 1, 1, half // CHECKPOINTS)
    later = folder / "later.bundle"
    later_export = timed(export, filler.database, home, later, "last", time.time())
    later_import = timed(receive, new, later, time.time(), ForeignJobs(new.artifacts))
    filler.close()

    best = {name: min(values) for name, values in seconds.items()}
    document = {
        "machine": describe(),
        "command": sys.argv[1:],
        "home_megabytes": round(tar_bytes / MIB, 1),
        "bundle_megabytes": round(bundle_bytes / MIB, 1),
        "later_bundle_megabytes": round(later.stat().st_size / MIB, 1),
        "later_bundle_share": round(later.stat().st_size / bundle_bytes, 4),
        "megabytes_per_second": {
            "tar": round(tar_bytes / MIB / best["tar"], 1),
            "export": round(bundle_bytes / MIB / best["export"], 1),
            "untar": round(tar_bytes / MIB / best["untar"], 1),
            "import": round(bundle_bytes / MIB / best["import"], 1),
        },
        "seconds": {name: round(value, 3) for name, value in best.items()},
        "later_seconds": {"export": round(later_export, 3), "import": round(later_import, 3)},
        "export_against_tar": round(best["export"] / best["tar"], 3),
        "import_against_untar": round(best["import"] / best["untar"], 3),
    }
    shutil.rmtree(folder)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in document.items() if name != "machine"}, indent=1))


if __name__ == "__main__":
    main()
