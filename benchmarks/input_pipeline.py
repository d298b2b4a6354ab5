"""Frames per second from the mapped episode files, against CALVIN's npz files read as its own loader reads them.

python -m benchmarks.input_pipeline --data path/to/calvin --frames 600

Both read the same frames in the same shuffled order and give the same bytes (checked); both sets of files are
read once before, so that neither has to wait for the disk. The official loader (`DiskDataset.load_file`) is
`numpy.load` of one file a frame, of which it then takes the entries it needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.builds import DATA
from benchmarks.machine import describe
from calvin.dataset import open_dataset
from calvin.episode_file import save_episode
from db.store import file_sha256
from tasks.context import InputFile
from tasks.data.index_reader import Frames

_RESULT = Path(__file__).parent / "results" / "input_pipeline.json"
_KEYS = ("rgb_static", "rgb_gripper")


def main() -> None:
    """Ingest one split, read it both ways, print the ratio, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--split", default="training")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=_RESULT)
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data, arguments.split)
    every = [(d.index, frame) for d in dataset.demonstrations for frame in range(d.start, d.end + 1)]
    order = np.random.default_rng(0).permutation(len(every))[: arguments.frames]
    wanted = [every[place] for place in order]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        frames = Frames(
            {d.index: _ingested(dataset.read(d), d.index, Path(folder)) for d in dataset.demonstrations}
        )
        ingest_seconds = time.perf_counter() - started

        def mapped(demonstration: int, frame: int) -> list[np.ndarray]:
            return [np.array(view) for view in frames.read(demonstration, frame)]

        def official(demonstration: int, frame: int) -> list[np.ndarray]:
            archive = np.load(dataset.frames.path(frame).as_posix())
            return [archive[key] for key in _KEYS]

        rates: dict[str, list[float]] = {"mapped": [], "npz": []}
        digests: dict[str, str] = {}
        for name, read in (("mapped", mapped), ("npz", official)):
            digests[name] = _digest(wanted, read)  # also warms the page cache and checks the episodes' bytes
        for _ in range(arguments.rounds):
            for name, read in (("mapped", mapped), ("npz", official)):
                rates[name].append(_rate(wanted, read))
    assert digests["mapped"] == digests["npz"], "both ways must give the same bytes"
    best = {name: max(values) for name, values in rates.items()}
    document = {
        "frames": len(wanted),
        "bytes_sha256": digests["npz"],
        "frames_per_second": {name: [round(value, 1) for value in values] for name, values in rates.items()},
        "ratio": round(best["mapped"] / best["npz"], 1),
        "ingest_frames_per_second": round(len(every) / ingest_seconds, 1),
        "machine": describe(),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: round(rate) for name, rate in best.items()} | {"ratio": document["ratio"]}))


def _ingested(episode: object, number: int, folder: Path) -> InputFile:
    path = folder / f"task_{number}.safetensors"
    save_episode(episode, path)  # type: ignore[arg-type]
    return InputFile("index_frames", "episode", f"task_{number}", path, path.name, file_sha256(path), 0)


def _digest(wanted: list[tuple[int, int]], read: Callable[[int, int], list[np.ndarray]]) -> str:
    digest = hashlib.sha256()
    for demonstration, frame in wanted:
        for view in read(demonstration, frame):
            digest.update(view.tobytes())
    return digest.hexdigest()


def _rate(wanted: list[tuple[int, int]], read: Callable[[int, int], list[np.ndarray]]) -> float:
    began = time.perf_counter()
    for demonstration, frame in wanted:
        read(demonstration, frame)
    return len(wanted) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
