"""A dataset as the folders of ReconVLA's original scripts (scripts/helper: calvin_extract_task, crop, calvin_json).

    OUT/tasks/<split>/<number>_<task>/lang_ann/lang_ann.yaml      ann, task, emb, indx
                                      img/frame_<id>.png          static view, both ends of indx included
                                      crop/frame_<id>.jpg         gaze region, stretched by nobody
                                      crop/crop_info.jsonl        one line per frame, also of those without a crop
    OUT/vla_processed_r5/<split>/<id>_<frame>.jpg                 static over gripper view, 334 x 334
    OUT/vla_processed_r5/<split>/crop/<id>_<frame>.jpg            gaze region over gripper view
    OUT/<split>_r5.json                                           LLaVA items with five actions

Unlike the originals: a frame without a target has no crop (they take the whole image; official code, R7) and no item;
past the end of a demonstration there is no motion (they repeat the last one); names follow from the content
(they draw them at random).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from benchmark.embodiment import CHUNK_STEPS
from calvin.actions import padded_chunk
from calvin.episode import Episode
from calvin.split import Demonstration, Split
from detectors.base import Detection, Detector, NoTarget
from detectors.crops import crop_region
from errors import InvalidInput
from models.images import compose
from settings import files
from settings.documents import parse_json
from settings.faults import need_fact
from settings.regular import read_text
from tasks.gaze.run import find_regions

#: A demonstration's frames take about 1 KB each.
_MOST_PART_BYTES = 64 << 20
PROCESSED = f"vla_processed_r{CHUNK_STEPS}"


class _Corners(TypedDict):
    x1: float
    y1: float
    x2: float
    y2: float


class _CropLine(TypedDict):
    """A line of crop_info.jsonl. label: how the region was found, or why there is none."""

    npz: str
    original_image: str
    crop_image: str | None
    label: str
    coordinates: _Corners | None


_Turn = TypedDict("_Turn", {"from": str, "value": str})


class _Item(TypedDict):
    """Of the JSON of a split, as LLaVA reads it."""

    id: str
    image: str
    image_target: str
    conversations: list[_Turn]
    embody: bool


class _Source(TypedDict):
    """What a demonstration's part was made of: data and detector."""

    data: str
    detector: str


class _Part(_Source):
    """A finished demonstration."""

    frames: int
    items: list[_Item]


def items_file(out: Path, split: str) -> Path:
    """The JSON of a split; it is there when all of the split is."""
    return out / f"{split}_r{CHUNK_STEPS}.json"


def extract(split: Split, out: Path, detector: Detector) -> Iterator[dict[str, int]]:
    """Write everything, yielding after each demonstration its counts: `frames`, `crops`.

    What was finished before an earlier run was broken off is not done again: until the JSON appears, which is
    last, `<split>_r5.parts` holds its items. Raises InvalidInput where `out` already has this split, or part of
    other data or of another detector's regions; DatasetError for unreadable frames.
    """
    target = items_file(out, split.split)
    parts, tasks = target.with_suffix(".parts"), out / "tasks" / split.split
    if target.exists():
        raise InvalidInput(f"{out} already holds an extracted {split.split} split; name another folder")
    if tasks.exists() and not parts.exists():
        raise InvalidInput(
            f"{tasks} is there, but {parts.name}, which says how far it was extracted, is not; name another folder"
        )
    parts.mkdir(parents=True, exist_ok=True)
    (out / PROCESSED / split.split / "crop").mkdir(parents=True, exist_ok=True)
    embeddings = split.embeddings()
    for demonstration in split.demonstrations:
        part = parts / f"{demonstration.index}.json"
        source: _Source = {
            "data": f"{len(split.demonstrations)} {split.fingerprint(demonstration)}",
            "detector": f"{detector.name} {detector.version}",
        }
        if part.exists():
            done = _read_part(part, source, split.split)
        else:
            embedding = None if embeddings is None else embeddings[demonstration.index]
            items = _extract_one(split, demonstration, out, detector, embedding)
            frames = demonstration.end - demonstration.start + 1
            done = {"data": source["data"], "detector": source["detector"], "frames": frames, "items": items}
            os.sync()  # the part vouches for the pictures, also after a machine was switched off
            _write_whole(part, [json.dumps(done)])
        yield {"frames": done["frames"], "crops": len(done["items"])}
    _write_whole(target, _as_json(parts / f"{d.index}.json" for d in split.demonstrations))
    shutil.rmtree(parts)


def _extract_one(
    split: Split,
    demonstration: Demonstration,
    out: Path,
    detector: Detector,
    embedding: NDArray[np.float64] | None,
) -> list[_Item]:
    """Write a demonstration's folder and pictures; its items."""
    folder = out / "tasks" / split.split / f"{demonstration.index}_{demonstration.task}"
    episode = split.read(demonstration)
    _write_annotation(folder, demonstration, embedding)
    regions = find_regions(episode, detector).results
    _write_frames(folder, episode, regions, split.frame_digits)
    return [
        _write_item(out, episode, demonstration, offset, region, split.frame_digits)
        for offset, region in enumerate(regions)
        if isinstance(region, Detection)
    ]


def _read_part(part: Path, source: _Source, split: str) -> _Part:
    """What is known of a finished demonstration. Raises InvalidInput unless it was made of the same `source`."""
    try:
        done: _Part = parse_json(read_text(part, _MOST_PART_BYTES))
        data, detector = done["data"], done["detector"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        need_fact(error)
        raise InvalidInput(
            f"{part} is damaged; remove it, and its demonstration is extracted again"
        ) from None
    out = part.parent.parent
    if data != source["data"]:
        raise InvalidInput(f"{out} holds part of a {split} split of other data; name another folder")
    if detector != source["detector"]:
        raise InvalidInput(
            f"{out} holds part of a {split} split extracted with detector {detector}, not {source['detector']}; "
            "name another folder"
        )
    return done


def _as_json(parts: Iterable[Path]) -> Iterator[str]:
    """All items as `json.dumps(items, indent=4)` writes them, one part in memory at a time."""
    before = "["
    for part in parts:
        done: _Part = parse_json(read_text(part, _MOST_PART_BYTES))
        for item in done["items"]:
            yield before + "\n" + textwrap.indent(json.dumps(item, indent=4), "    ")
            before = ","
    yield "[]" if before == "[" else "\n]"


def _write_whole(path: Path, chunks: Iterable[str]) -> None:
    with files.whole(path) as stream:
        stream.writelines(chunk.encode() for chunk in chunks)


def _write_annotation(
    folder: Path, demonstration: Demonstration, embedding: NDArray[np.float64] | None
) -> None:
    (folder / "lang_ann").mkdir(parents=True, exist_ok=True)
    content = {
        "ann": demonstration.instruction,
        "task": demonstration.task,
        "emb": None if embedding is None else embedding.tolist(),
        "indx": [demonstration.start, demonstration.end],
    }
    text = yaml.safe_dump(content, allow_unicode=True)
    (folder / "lang_ann" / "lang_ann.yaml").write_text(text, encoding="utf-8")


def _write_frames(folder: Path, episode: Episode, regions: list[Detection | NoTarget], digits: int) -> None:
    (folder / "img").mkdir(exist_ok=True)
    (folder / "crop").mkdir(exist_ok=True)
    lines = []
    for offset, region in enumerate(regions):
        frame = f"{episode.start + offset:0{digits}d}"
        picture = np.asarray(episode.rgb_static[offset])
        Image.fromarray(picture).save(folder / "img" / f"frame_{frame}.png")
        line: _CropLine = {
            "npz": f"episode_{frame}.npz",
            "original_image": f"frame_{frame}.png",
            "crop_image": None,
            "label": _label(region),
            "coordinates": None,
        }
        if isinstance(region, Detection):
            Image.fromarray(crop_region(picture, region.box)).save(folder / "crop" / f"frame_{frame}.jpg")
            x1, y1, x2, y2 = map(float, region.box)
            line["crop_image"] = f"frame_{frame}.jpg"
            line["coordinates"] = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
        lines.append(json.dumps(line) + "\n")
    (folder / "crop" / "crop_info.jsonl").write_text("".join(lines), encoding="utf-8")


def _label(region: Detection | NoTarget) -> str:
    return region.source.value if isinstance(region, Detection) else region.reason.value


def _write_item(
    out: Path, episode: Episode, demonstration: Demonstration, offset: int, region: Detection, digits: int
) -> _Item:
    """Both pictures and the LLaVA item of one frame."""
    static, gripper = np.asarray(episode.rgb_static[offset]), np.asarray(episode.rgb_gripper[offset])
    number = f"{episode.split} {demonstration.index} {demonstration.start}"
    identity = f"{hashlib.sha256(number.encode()).hexdigest()[:7]}_{episode.start + offset:0{digits}d}"
    name = f"{episode.split}/{identity}.jpg"
    target = f"{episode.split}/crop/{identity}.jpg"
    Image.fromarray(compose(static, gripper)).save(out / PROCESSED / name)
    Image.fromarray(compose(crop_region(static, region.box), gripper)).save(out / PROCESSED / target)
    asked = f"{episode.instruction}\n<image>\n{episode.instruction}\n{_numbers(episode.robot_obs[offset])}"
    answer = _numbers(padded_chunk(episode.rel_actions, offset, CHUNK_STEPS))
    return {
        "id": identity,
        "image": name,
        "image_target": target,
        "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}],
        "embody": True,
    }


def _numbers(values: NDArray[np.float64]) -> str:
    """As the original writes them: the shortest text that gives the same float."""
    return " ".join(str(float(value)) for value in values.reshape(-1))
