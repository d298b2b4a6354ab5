"""Reading CALVIN's files as an older build did it and as this one does, in alternating pairs.

    python -m benchmarks.reading_builds [--old COMMIT] [--pairs 10] [--data DIR]

Seconds of the processor (the median of five times in one process) for: windows of 16 frames from npz (`windows`),
frames of a shuffled order from the files that the ingest job wrote (`mapped`), the ingest job's reading and writing
(`ingest`), and an annotation file of 20,000 demonstrations (`annotations`). Both builds must have read the same bytes.
The ratio is the median over pairs of the older build's seconds by this one's, with its 95 % interval: above 1 this
build is faster.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.builds import DATA, older_tree, pairs_of, ratio_of, said_in
from benchmarks.machine import describe

_RESULT = Path(__file__).parent / "results" / "reading_builds.json"

#: Run in either tree: both builds have these names.
_ROUND = """
import hashlib, json, sys, tempfile, time
from pathlib import Path
import numpy as np
from calvin.annotations import read_annotations
from calvin.dataset import open_dataset
from calvin.episode_file import load_episode, save_episode

digest, seconds = hashlib.sha256(), {}
chance = np.random.default_rng(0)
split = open_dataset(Path(sys.argv[1]), "training")

def timed(name, work):
    each = []
    for _ in range(5):
        began = time.process_time()
        work()
        each.append(time.process_time() - began)
    seconds[name] = sorted(each)[2]

def windows():
    for number in chance.permutation(len(split.demonstrations))[:12]:
        first = split.demonstrations[number].start
        for frame in range(first, first + 16):
            digest.update(split.frames.read(frame)["rgb_static"])

def ingest():
    for demonstration in split.demonstrations[:6]:
        save_episode(split.read(demonstration), Path(folder) / f"{demonstration.index}.safetensors")

def mapped():
    for _ in range(20_000):
        episode = episodes[chance.integers(len(episodes))]
        frame = chance.integers(len(episode.rgb_static))
        np.array(episode.rgb_static[frame]), np.array(episode.rgb_gripper[frame])

with tempfile.TemporaryDirectory() as folder:
    windows()  # from here on all files are in the page cache
    timed("windows", windows)
    timed("ingest", ingest)
    episodes = [load_episode(path) for path in sorted(Path(folder).glob("*.safetensors"))]
    timed("mapped", mapped)
    for episode in episodes:
        digest.update(np.ascontiguousarray(episode.rgb_static))
    count, path = 20_000, Path(folder) / "auto_lang_ann.npy"
    words = {"ann": [f"open drawer {n}" for n in range(count)], "task": ["open_drawer"] * count,
             "emb": np.zeros((count, 1, 384), np.float32)}
    info = {"indx": [(n * 64, n * 64 + 63) for n in range(count)], "episodes": []}
    np.save(path, np.array({"language": words, "info": info}, dtype=object), allow_pickle=True)
    timed("annotations", lambda: digest.update(repr(read_annotations(path)[::997]).encode()))
print("figure", json.dumps({"seconds": seconds, "sha256": digest.hexdigest()}))
"""


def measure(data: Path, tree: Path) -> dict[str, Any]:
    """Seconds by what is read, and the digest of what was read, in a process of its own."""
    found: dict[str, Any] = json.loads(said_in(tree, _ROUND, str(data)))
    return found


def main() -> None:
    """Run the pairs, print them, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--old", default="753aa3a")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    pairs = []
    with older_tree(options.old) as old:
        for pair in pairs_of(partial(measure, options.data.resolve()), old, options.pairs):
            if pair["old"]["sha256"] != pair["new"]["sha256"]:
                raise SystemExit(f"the builds read different things: {pair}")
            pairs.append(
                {side: {k: round(v, 4) for k, v in one["seconds"].items()} for side, one in pair.items()}
            )
            print(json.dumps(pairs[-1]), flush=True)
    ratios = {
        name: ratio_of([pair["old"][name] / pair["new"][name] for pair in pairs]) for name in pairs[0]["old"]
    }
    document = {"old": options.old, "ratios": ratios, "pairs_seconds": pairs, "machine": describe()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(ratios, indent=1))


if __name__ == "__main__":
    main()
