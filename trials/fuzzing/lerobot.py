"""Mutated LeRobot sets: what describes them, their tables, pictures and films, and what Baton writes beside them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from trials.fuzzing.mutations import changed_bytes, changed_value
from trials.fuzzing.pictures import changed_film, changed_png
from trials.fuzzing.tables import changed_table_file

_EPISODES = 3
_VALIDATION = ("none", "0", "0-1", "2:3", "7", None)
_SCENES = (None, None, "D", "A=0;B=1-2")


class LeRobotSets:
    name = "lerobot"
    readers = (
        "calvin/lerobot_format/*.py",
        "calvin/boxes.py",
        "calvin/split.py",
        "calvin/official_phrases.py",
    )

    def __init__(self, folder: Path) -> None:
        from calvin.split import Reading

        self._roots = _sound_sets(folder)
        for root in self._roots:
            self._read(random.Random(0), root, Reading(validation_episodes="none"))

    def meet(self, draw: random.Random) -> None:
        from calvin.split import Reading

        root = draw.choice(self._roots)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        kinds = sorted({path.suffix for path in files})
        kind = draw.choice(kinds)
        changed = draw.choice([path for path in files if path.suffix == kind])
        sound = changed.read_bytes()
        reading = Reading(validation_episodes=draw.choice(_VALIDATION), scenes=draw.choice(_SCENES))
        if draw.random() < 0.1:
            reading = replace(reading, validation_root=str(draw.choice(self._roots)))
        changed.write_bytes(_changed(draw, kind, sound))
        try:
            self._read(draw, root, reading)
        finally:
            changed.write_bytes(sound)

    def _read(self, draw: random.Random, root: Path, reading: object) -> None:
        from calvin.sampled_check import check_sample
        from calvin.split import annotated_frames, open_split, settled, survey_split

        seen, _ = survey_split(root, draw.choice(("training", "validation")), reading)  # type: ignore[arg-type]
        if draw.random() < 0.5:
            seen.examine(annotated_frames(seen))
        split = open_split(root, seen.split, reading)  # type: ignore[arg-type]
        if draw.random() < 0.5:
            check_sample(split)
        if draw.random() < 0.3:
            split = open_split(root, seen.split, settled(split, reading))  # type: ignore[arg-type]
        one = draw.choice(split.demonstrations)
        split.fingerprint(one)
        split.recording()
        _ = split.validation_instructions
        episode = split.read(one)
        if not np.isfinite(episode.robot_obs).all() or episode.rgb_static.shape[1:] != (200, 200, 3):
            raise AssertionError(f"an episode of {episode.rgb_static.shape}, {episode.robot_obs}")


def _changed(draw: random.Random, kind: str, data: bytes) -> bytes:
    if kind == ".json" and draw.random() < 0.8:
        return json.dumps(changed_value(draw, json.loads(data))).encode()
    if kind == ".jsonl" and draw.random() < 0.8:
        lines = changed_value(draw, [json.loads(line) for line in data.splitlines()])
        return "\n".join(map(json.dumps, lines if isinstance(lines, list) else [lines])).encode()
    by_kind: dict[str, Callable[..., bytes]] = {".png": changed_png, ".mp4": changed_film}
    if kind == ".parquet":
        return changed_table_file(draw, data, changed_png)
    return by_kind.get(kind, changed_bytes)(draw, data)


def _sound_sets(folder: Path) -> list[Path]:
    """Both versions, pictures of each kind, and one that Baton wrote."""
    from tests.calvin import lerobot_sets as sets
    from tests.calvin.conversion.converting import converted, dataset

    shown = []
    for number, episode in enumerate(sets.episodes(_EPISODES)):
        pictures = {
            field: sets.numbered(100 * number, len(episode), size)
            for field, size in (("rgb_static", 200), ("rgb_gripper", 84))
        }
        shown.append(replace(episode, **pictures))
    bytes_v2 = sets.write_v2(folder / "v2", shown)
    modality = {
        "state": {"all": {"start": 0, "end": 15, "original_key": sets.STATE}},
        "action": {"all": {"start": 0, "end": 7}},
        "video": {"top": {"original_key": sets.TOP}, "wrist": {"original_key": sets.WRIST}},
    }
    (bytes_v2 / "meta" / "modality.json").write_text(json.dumps(modality))
    roots = [
        bytes_v2,
        sets.write_v2(folder / "v2-files", shown, pictures="files", named=False),
        sets.write_v2(folder / "v2-films", shown, pictures="films"),
        sets.write_v3(folder / "v3", shown, files=2),
        sets.write_v3(folder / "v3-films", shown, pictures="films"),
    ]
    converted(dataset(folder / "calvin", 2), folder / "ours", "v3.0 png float64")
    return [*roots, folder / "ours"]
