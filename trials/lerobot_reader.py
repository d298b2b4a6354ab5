"""Sets that Baton writes, read by lerobot's own reader; and sets that lerobot writes, read by Baton: every frame.

    python -m trials.lerobot_reader --python PYTHON [--old FOLDER] [--json FILE]

PYTHON: an interpreter with lerobot 0.4.4, for an environment of its own, as its pins exclude ours: `pip install
--no-deps lerobot==0.4.4 "torchvision<0.26"`, `pip install "datasets<5" "huggingface-hub<0.36" "av<16" jsonlines
"packaging<26" einops pandas pillow draccus==0.10.0 deepdiff gymnasium accelerate safetensors`, and a CPU torch. FOLDER:
where `pip install --no-deps --target FOLDER lerobot==0.3.3 datasets==3.6.0 fsspec==2025.3.0 dill==0.3.8
multiprocess==0.70.16` put the release that reads version 2.1; without it 0.4.4's converter and reader alone are asked.
Takes minutes of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from calvin.episode import IMAGE_FIELDS, Episode
from calvin.lerobot_writer.layout import COLUMNS
from calvin.split import TRAINING, VALIDATION, Reading, open_split
from tests.calvin.conversion.converting import converted
from tests.calvin.writing import write_split
from trials import REPOSITORY, RESULTS, keep

ASKED = Path(__file__).parent / "lerobot" / "asked.py"
FORMS = ("v3.0 png float64", "v3.0 film float32", "v2.1 png float64", "v2.1 film float32")
_VECTORS = ("robot_obs", "scene_obs", "actions", "rel_actions")


class Lerobot:
    """Another interpreter. old: where the release lies that reads version 2.1."""

    def __init__(self, python: str, old: Path | None) -> None:
        self.python, self.old = python, old
        self.versions: dict[str, Any] = {}

    def __call__(self, *words: object, old: bool = False) -> None:
        """Raises CalledProcessError."""
        more = {"PYTHONPATH": str(self.old)} if old else {}
        done = subprocess.run(
            [self.python, str(ASKED), *map(str, words)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **more},
        )
        about = json.loads(done.stdout.splitlines()[0])
        self.versions[about["lerobot"]] = about


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "lerobot_reader.json")
    parser.add_argument("--python", default=os.environ.get("BATON_LEROBOT_PYTHON"))
    parser.add_argument("--old", type=Path, default=None)
    parser.add_argument(
        "--demonstrations", type=int, default=4, help="of the training; and one of the validation"
    )
    options = parser.parse_args()
    if options.python is None:
        print(
            "lerobot: name an interpreter that has it with --python or BATON_LEROBOT_PYTHON", file=sys.stderr
        )
        return 3
    asked = Lerobot(options.python, options.old)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="baton-lerobot-") as place:
        folder = Path(place)
        npz = _part(
            Path(REPOSITORY.parent / "shared" / "calvin_mini"), folder / "npz", options.demonstrations
        )
        originals = _episodes(npz)
        for form in FORMS:
            converted(npz, folder / form, form)
            found[form] = _read(asked, folder, form)
            print(json.dumps({form: found[form]}), flush=True)
        for films in ("", "films"):
            name = f"written by lerobot, {films or 'pictures'}"
            found[name] = _written(asked, folder, originals, films)
            print(json.dumps({name: found[name]}), flush=True)
    keep(options.json, __doc__.splitlines()[0], {"versions": asked.versions, **found})
    return 1 if any(entry["wrong"] for entry in found.values()) else 0


def _part(root: Path, out: Path, count: int) -> Path:
    """The first demonstrations of `calvin_mini`."""
    for name, wanted in ((TRAINING, count), (VALIDATION, 1)):
        split = open_split(root, name)
        write_split(out, name, [split.read(d) for d in split.demonstrations[:wanted]])
    return out


def _episodes(root: Path, reading: Reading | None = None) -> list[Episode]:
    splits = [open_split(root, name, reading or Reading()) for name in (TRAINING, VALIDATION)]
    return [split.read(d) for split in splits for d in split.demonstrations]


def _read(asked: Lerobot, folder: Path, form: str) -> dict[str, Any]:
    """What lerobot's readers see of a set that Baton wrote."""
    ours, root = _episodes(folder / form), folder / form
    wrong: list[str] = []
    told: dict[str, Any] = {"frames": sum(map(len, ours)), "wrong": wrong}
    if form.startswith("v2.1"):
        if asked.old is not None:
            asked("read", root, folder / "old.npz", old=True)
            told["as lerobot 0.3.3 reads it"] = _compared(folder / "old.npz", ours, form, wrong)
        root = folder / "some" / form.replace(" ", "_")
        shutil.copytree(folder / form, root)
        asked("upgrade", folder, f"some/{root.name}")
    asked("read", root, folder / "read.npz")
    told["as lerobot 0.4.4 reads it"] = _compared(folder / "read.npz", ours, form, wrong)
    return told


def _compared(file: Path, ours: list[Episode], form: str, wrong: list[str]) -> dict[str, Any]:
    with np.load(file) as archive:
        seen = dict(archive)
    texts = json.loads(str(seen.pop("texts")))
    frames = sum(map(len, ours))
    told: dict[str, Any] = {"episodes": int(seen.pop("episodes")), "frames seen": len(texts)}
    if len(texts) != frames or told["episodes"] != len(ours):
        wrong.append(f"{told['episodes']} episodes of {len(texts)} frames")
        return told
    for field in _VECTORS:
        wanted = np.concatenate([getattr(e, field) for e in ours]).astype(np.float32)
        if not np.array_equal(seen[COLUMNS[field]].astype(np.float32), wanted):
            wrong.append(f"{field} differs")
    for field in IMAGE_FIELDS:
        told[field] = _pictures(
            seen[COLUMNS[field]],
            np.concatenate([getattr(e, field) for e in ours]),
            "film" in form,
            field,
            wrong,
        )
    tasks = [f"{e.task}: {e.instruction}" for e in ours for _ in range(len(e))]
    if [text["task"] for text in texts] != tasks:
        wrong.append("tasks differ")
    return told


def _pictures(
    seen: np.ndarray, ours: np.ndarray, is_film: bool, field: str, wrong: list[str]
) -> dict[str, Any]:
    """Equal; of films, whose colours two libraries do not convert to the same last digit, each frame's nearest of all
    is the one of its number, or the one before, which encoders give once more where little moves."""
    apart = np.abs(seen.astype(np.int16) - ours.astype(np.int16))
    told = {
        "equal": int((apart.reshape(len(apart), -1).max(1) == 0).sum()),
        "largest_difference": int(apart.max()),
    }
    if not is_film:
        if told["largest_difference"]:
            wrong.append(f"{field} differs")
        return told
    wide = ours.astype(np.int16)
    own = before = 0
    for place, picture in enumerate(seen.astype(np.int16)):
        distances = np.abs(wide - picture).mean(axis=(1, 2, 3))
        nearest = int(np.argmin(distances))
        is_own = bool(distances[place] <= distances[nearest])
        own += is_own
        before += not is_own and nearest == place - 1
    told |= {"nearest_is_its_own": own, "nearest_is_the_one_before": before}
    told["mean_difference"] = round(float(apart.mean()), 3)
    if own + before != len(seen) or before > len(seen) // 50:
        wrong.append(f"{field}: {len(seen) - own} frames are nearer to others")
    return told


def _written(asked: Lerobot, folder: Path, originals: list[Episode], films: str) -> dict[str, Any]:
    """What Baton sees of a set that lerobot wrote."""
    wrong: list[str] = []
    arrays = {
        COLUMNS[f]: np.concatenate([getattr(e, f) for e in originals]) for f in (*IMAGE_FIELDS, *_VECTORS)
    }
    arrays = {n: a if a.dtype == np.uint8 else a.astype(np.float32) for n, a in arrays.items()}
    tasks = json.dumps([f"{e.task}: {e.instruction}" for e in originals])
    np.savez(
        folder / "frames.npz",
        **arrays,  # type: ignore[arg-type]
        lengths=np.array(list(map(len, originals))),
        tasks=np.array(tasks),
    )
    root = folder / f"theirs{films}"
    asked("write", folder / "frames.npz", root, *([films] if films else []))
    last = str(len(originals) - 1)
    read = _episodes(root, Reading(validation_episodes=last))
    if [(e.task, e.instruction, len(e)) for e in read] != [
        (e.task, e.instruction, len(e)) for e in originals
    ]:
        wrong.append("tasks or lengths differ")
    told: dict[str, Any] = {"frames": sum(map(len, read)), "wrong": wrong}
    for field in _VECTORS:
        if not np.array_equal(np.concatenate([getattr(e, field) for e in read]), arrays[COLUMNS[field]]):
            wrong.append(f"{field} differs")
    for field in IMAGE_FIELDS:
        seen = np.concatenate([getattr(e, field) for e in read])
        told[field] = _pictures(seen, arrays[COLUMNS[field]], bool(films), field, wrong)
    return told


if __name__ == "__main__":
    sys.exit(main())
