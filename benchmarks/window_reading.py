"""Windows of demonstrations a second: CALVIN's own dataset class against ours, on the same windows.

python -m benchmarks.window_reading --calvin CLONE_OF_MEES_CALVIN --data path/to/calvin [--window 16]

Three ways read the same windows (rgb_static, rgb_gripper, robot_obs, scene_obs, rel_actions) in the same shuffled
order, one process each, all files in the page cache: `official`, the class DiskDataset of the clone, without
image transforms; `npz`, our reader of the same files, which the ingest job uses; `mapped`, the files that the
ingest job wrote, which training uses. Values are compared field by field. The clone may be a working tree or a bare
repository; where omegaconf and pyhash are not installed, empty stand-ins take their place (the class uses neither
for windows of one size). Ratios are of processor time, which other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from benchmarks.builds import DATA
from benchmarks.machine import describe
from calvin.dataset import CalvinSplit, open_dataset
from calvin.episode_file import load_episode, save_episode

_RESULT = Path(__file__).parent / "results" / "window_reading.json"
_PACKAGE = "calvin_models/calvin_agent"
_FIELDS = ("rgb_static", "rgb_gripper", "robot_obs", "scene_obs", "rel_actions")

#: (demonstration, place of the window's first frame in it)
Window = tuple[int, int]
Read = Callable[[Window], Mapping[str, np.ndarray]]


def official_reader(
    clone: Path, split: CalvinSplit, window_frames: int, scratch: Path
) -> tuple[Read, list[str]]:
    """Reads windows with the clone's class; also the names of the packages that have stand-ins."""
    package = clone / _PACKAGE
    if not package.is_dir():
        archive = subprocess.run(
            ["git", "--git-dir", str(clone), "archive", "HEAD", _PACKAGE], check=True, capture_output=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as members:
            members.extractall(scratch, filter="data")
        package = scratch / _PACKAGE
    stand_ins = {
        "omegaconf": {"DictConfig": dict, "ListConfig": list, "OmegaConf": object},
        "pyhash": {"fnv1_32": lambda: None},
    }
    missing = [name for name in stand_ins if find_spec(name) is None]
    for name in missing:
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(stand_ins[name])
    parent = ModuleType("calvin_agent")
    parent.__path__ = [str(package)]
    sys.modules["calvin_agent"] = parent
    kind = importlib.import_module("calvin_agent.datasets.disk_dataset").DiskDataset
    space = {"rgb_obs": ["rgb_static", "rgb_gripper"], "depth_obs": [], "state_obs": ["robot_obs"],
             "actions": ["rel_actions"], "language": ["language"]}  # fmt: skip
    state = _Attributes(keep_indices=[[0, 15]], normalize=False, normalize_robot_orientation=True)
    with contextlib.redirect_stdout(sys.stderr):
        dataset = kind(
            split.folder, space, state, "lang", "lang_annotations", 0,
            min_window_size=window_frames, max_window_size=window_frames,
        )  # fmt: skip
    places = {
        (index, int(start)): place
        for place, (start, index) in enumerate(zip(dataset.episode_lookup, dataset.lang_lookup))
    }

    def read(window: Window) -> Mapping[str, np.ndarray]:
        demonstration, first = window
        found = dataset[places[demonstration, split.demonstrations[demonstration].start + first]]
        pictures = {name: value.permute(0, 2, 3, 1).numpy() for name, value in found["rgb_obs"].items()}
        states = {name: value.numpy() for name, value in found["state_info"].items()}
        return {**pictures, **states, "rel_actions": found["actions"].numpy()}

    return read, missing


class _Attributes(SimpleNamespace):
    """What the class asks of an omegaconf mapping."""

    def __contains__(self, name: str) -> bool:
        return hasattr(self, name)


def npz_reader(split: CalvinSplit, window_frames: int) -> Read:
    def read(window: Window) -> Mapping[str, np.ndarray]:
        first = split.demonstrations[window[0]].start + window[1]
        frames = [split.frames.read(frame) for frame in range(first, first + window_frames)]
        return {field: np.stack([frame[field] for frame in frames]) for field in _FIELDS}

    return read


def mapped_reader(split: CalvinSplit, window_frames: int, folder: Path) -> Read:
    """Writes the episode files first."""
    episodes = []
    for demonstration in split.demonstrations:
        file = folder / f"{demonstration.index}.safetensors"
        save_episode(split.read(demonstration), file)
        episodes.append(load_episode(file))

    def read(window: Window) -> Mapping[str, np.ndarray]:
        place = slice(window[1], window[1] + window_frames)
        return {field: np.array(getattr(episodes[window[0]], field)[place]) for field in _FIELDS}

    return read


def differences(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> list[str]:
    """Fields that differ; the official actions are float32."""
    return [
        field for field in _FIELDS if not np.array_equal(one[field], other[field].astype(one[field].dtype))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calvin", type=Path, required=True, help="clone of mees/calvin")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--split", default="training")
    parser.add_argument("--window", type=int, default=16, help="frames")
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    split = open_dataset(options.data, options.split)
    every = [
        (d.index, first)
        for d in split.demonstrations
        for first in range(d.end + 1 - d.start - options.window)
    ]
    wanted = [every[place] for place in np.random.default_rng(0).permutation(len(every))[: options.windows]]
    with tempfile.TemporaryDirectory() as folder:
        official, stand_ins = official_reader(options.calvin, split, options.window, Path(folder))
        ways = {
            "official": official,
            "npz": npz_reader(split, options.window),
            "mapped": mapped_reader(split, options.window, Path(folder)),
        }
        different = {
            name: sum(bool(differences(official(window), read(window))) for window in wanted)
            for name, read in ways.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, read in ways.items():
                began = time.process_time()
                for window in wanted:
                    read(window)
                seconds[name].append(time.process_time() - began)
    rates = {name: len(wanted) / statistics.median(values) for name, values in seconds.items()}
    report = {
        "machine": describe(),
        "windows": len(wanted),
        "frames_per_window": options.window,
        "stand_ins": stand_ins,
        "windows_that_differ_from_official": different,
        "windows_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "ratios": {
            f"{name}_over_official": round(rates[name] / rates["official"], 2) for name in ("npz", "mapped")
        },
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: value for key, value in report.items() if key != "machine"}, indent=2))
    if any(different.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
