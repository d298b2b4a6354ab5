"""What lerobot itself says of sets: run by an interpreter that has it, and knows nothing of Baton.

    python asked.py read ROOT OUT.npz          every frame by its own reader
    python asked.py write FRAMES.npz ROOT [films]     episodes by its own writer
    python asked.py upgrade FOLDER NAME        FOLDER/NAME from version 2.1 to 3.0, by its own converter
    python asked.py time ROOT                  seconds in which its own reader gives frames, a list of numbers a line

torchvision's compiled part fits no CPU build of torch of the index; what declares its operators is passed over, and its
reader of films by PyAV stays.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

_register = torch.library.register_fake


def _but_of_torchvision(name, *more, **named):
    if isinstance(name, str) and name.startswith("torchvision::"):
        return lambda function: function
    return _register(name, *more, **named)


torch.library.register_fake = _but_of_torchvision


def main() -> None:
    from importlib.metadata import version

    print(
        json.dumps({name: version(name) for name in ("lerobot", "datasets", "av", "torchvision")}), flush=True
    )
    act, *places = sys.argv[1:]
    {"read": read, "write": write, "upgrade": upgrade, "time": measure}[act](*places)


def read(root: str, out: str) -> None:
    """Pictures as uint8, numbers as its reader gives them; its texts as one JSON."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    dataset = LeRobotDataset("some/set", root=root, video_backend="pyav")
    columns: dict[str, list] = {}
    texts = []
    for number in range(dataset.num_frames):
        item = dataset[number]
        texts.append({name: value for name, value in item.items() if isinstance(value, str)})
        for name, value in item.items():
            if isinstance(value, str):
                continue
            array = np.asarray(value)
            if array.ndim == 3 and array.shape[0] == 3:
                array = np.rint(array.transpose(1, 2, 0) * 255).astype(np.uint8)
            columns.setdefault(name, []).append(array)
    arrays = {name: np.stack(values) for name, values in columns.items()}
    np.savez(out, **arrays, texts=np.array(json.dumps(texts)), episodes=np.array(dataset.num_episodes))


def measure(root: str) -> None:
    """Answers each line of numbers with one of JSON. The reader is opened once; torch has one thread."""
    import time

    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    torch.set_num_threads(1)
    dataset = LeRobotDataset("some/set", root=root, video_backend="pyav")
    print(json.dumps({"frames": dataset.num_frames}), flush=True)
    for line in sys.stdin:
        numbers = json.loads(line)
        began, own = time.perf_counter(), time.process_time()
        for number in numbers:
            dataset[number]
        told = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - own}
        print(json.dumps(told), flush=True)


def write(frames: str, root: str, films: str = "") -> None:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    with np.load(frames) as archive:
        arrays = dict(archive)
    lengths, tasks = arrays.pop("lengths"), json.loads(str(arrays.pop("tasks")))
    features = {}
    for name, array in arrays.items():
        if array.dtype == np.uint8:
            kind = "video" if films else "image"
            features[name] = {
                "dtype": kind,
                "shape": array.shape[1:],
                "names": ["height", "width", "channels"],
            }
        else:
            features[name] = {"dtype": str(array.dtype), "shape": array.shape[1:], "names": None}
    dataset = LeRobotDataset.create(
        "some/set", 30, features, root=root, robot_type="Franka Panda", use_videos=bool(films)
    )
    first = 0
    for length, task in zip(lengths.tolist(), tasks):
        for frame in range(first, first + length):
            dataset.add_frame({**{name: array[frame] for name, array in arrays.items()}, "task": task})
        dataset.save_episode()
        first += length
    dataset.finalize()


def upgrade(folder: str, name: str) -> None:
    from lerobot.datasets.v30.convert_dataset_v21_to_v30 import convert_dataset

    convert_dataset(name, root=Path(folder), push_to_hub=False)


if __name__ == "__main__":
    main()
