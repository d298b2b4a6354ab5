"""Pictures of a report, read from artifacts. Bytes that were cleared away leave none behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from calvin.episode_file import load_episode
from db.states import SUCCEEDED
from errors import InvalidInput
from experiments.reconvla.arms import ARMS
from experiments.reconvla.report.corpora import Corpora
from reports.data import AttentionPanel, Reconstruction, RunReport
from reports.gaze_data import GazeExample
from settings.shown import cut
from settings.spacing import evenly_spaced
from tasks.records import ArtifactRecord, Find, JobRecord, Records, told
from tasks.registry import GAZE
from tasks.specs import AttentionSpec, GazeSpec, IngestSpec, ReconstructSpec

#: Reconstructed frames shown of each arm.
_RECONSTRUCTIONS = 3


def gaze_examples(
    records: Records, jobs: Sequence[JobRecord], find: Find, corpora: Corpora
) -> tuple[GazeExample, ...]:
    """Frames from the middle of a few episodes, spread over those of `jobs` that looked for regions and have ended."""
    looked_at = [(row, spec) for row, spec in told(jobs, GazeSpec) if row.state == SUCCEEDED]
    if not looked_at:
        return ()
    episodes: dict[tuple[str, str], ArtifactRecord] = {}
    for ingest, _ in told(jobs, IngestSpec):
        for artifact in records.artifacts_of(ingest):
            for purpose in corpora.purposes_of(ingest):
                episodes[(purpose, artifact.name)] = artifact
    examples = []
    for row, spec in (
        looked_at[place] for place in evenly_spaced(len(looked_at), GAZE.pictured, rounded_down=True)
    ):
        name = f"task_{spec.number}"
        (artifact,) = records.artifacts_of(row)
        episode_file = find(episodes[(corpora.purposes_of(row)[0], name)])
        gaze_file = find(artifact)
        if episode_file is None or gaze_file is None:
            continue
        episode = load_episode(episode_file)
        with _opened(gaze_file) as tensors:
            found = json.loads(tensors.metadata()["gaze"])["rows"]
        frame = len(episode) // 2
        examples.append(
            _gaze_example(np.asarray(episode.rgb_static[frame]), episode.instruction, found[frame])
        )
    return tuple(examples)


def _gaze_example(image: NDArray[np.uint8], instruction: str, row: Mapping[str, Any]) -> GazeExample:
    """`row`: the frame's entry in the gaze artifact."""
    box, true_box = row.get("box"), row.get("true_box")
    if box is None:
        note = row["reason"]
    else:
        note = row["source"] if row["trusted"] else f"{row['source']}, doubtful"
    return GazeExample(
        image,
        tuple(box) if box else None,
        f"{instruction} ({note.replace('_', ' ')})",
        trusted=bool(row.get("trusted", False)),
        true_box=tuple(true_box) if true_box else None,
    )


def attention_panels(
    records: Records, find: Find, runs: Mapping[int, RunReport]
) -> tuple[AttentionPanel, ...]:
    """The same frames under the maps of each arm's first seed; `runs` by run id.

    Models of different sizes see different pictures: frames are those of the first arm.
    """
    first: dict[str, Path] = {}
    for row, _ in told(records.jobs, AttentionSpec):
        run = None if row.run_id is None else runs.get(row.run_id)
        if row.state != SUCCEEDED or run is None:
            continue
        title = run.title or run.arm
        for artifact in records.artifacts_of(row):
            if title not in first and (path := find(artifact)) is not None:
                first[title] = path
    panels: dict[int, AttentionPanel] = {}
    for title, path in first.items():
        with _opened(path) as tensors:
            about = tensors.metadata() or {}
            if "captions" not in about:
                continue  # made by an earlier version, which kept figures only
            captions = json.loads(about["captions"])
            maps, images, boxes, shown = (
                tensors.get_tensor(name) for name in ("maps", "images", "boxes", "panel_rows")
            )
        for place, row_number in enumerate(shown.tolist()):
            panel = panels.get(row_number)
            if panel is None and title == next(iter(first)):
                box = tuple(float(edge) for edge in boxes[place])
                assert len(box) == 4
                panel = AttentionPanel(images[place], box, captions[place], {})
            if panel is not None:
                panels[row_number] = AttentionPanel(
                    panel.image, panel.box, panel.caption, {**panel.maps, title: maps[place]}
                )
    return tuple(panels.values())


def reconstructions(records: Records, find: Find) -> tuple[Reconstruction, ...]:
    """A few held-out frames of each arm that reconstructs, from its first seed that has any."""
    shown: dict[str, list[Reconstruction]] = {}
    for row, _ in told(records.jobs, ReconstructSpec):
        if row.state != SUCCEEDED or row.arm is None or row.arm in shown:
            continue
        for artifact in records.artifacts_of(row):
            if (path := find(artifact)) is not None:
                shown[row.arm] = _reconstructions(path, row.arm)
    return tuple(pair for pairs in shown.values() for pair in pairs)


def _reconstructions(path: Path, arm: str) -> list[Reconstruction]:
    title = ARMS[arm].title if arm in ARMS else arm
    with _opened(path) as tensors:
        captions = json.loads(tensors.metadata()["captions"])
        truth, encoded, sampled = (tensors.get_tensor(name) for name in ("truth", "encoded", "sampled"))
    return [
        Reconstruction(f"{title}: {captions[place]}", truth[place], encoded[place], sampled[place])
        for place in range(min(_RECONSTRUCTIONS, len(truth)))
    ]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Tensors and metadata of an artifact, whose bytes are those of its row, whoever wrote them."""
    try:
        with safe_open(path, framework="numpy") as tensors:
            yield tensors
    except SafetensorError as error:
        raise InvalidInput(f"{path} holds no tensors that can be shown: {cut(str(error), 200)}") from None
