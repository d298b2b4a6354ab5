"""Pictures of a report, read from artifacts. Bytes that were cleared away leave none behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from calvin.episode_file import load_episode
from db.states import SUCCEEDED
from errors import InvalidInput
from experiments.reconvla.report.gaze_data import GazeExample
from experiments.reconvla.report.parts.attention import AttentionPanel
from experiments.reconvla.report.parts.reconstructions import Reconstruction
from experiments.reconvla.report.titles import title_of
from reports.data import RunReport
from settings.shown import cut
from settings.spacing import evenly_spaced
from tasks.gaze.artifact import GazeRow, header_of
from tasks.records import ArtifactRecord, Find, JobRecord, Records, told
from tasks.registry import GAZE
from tasks.specs import AttentionSpec, GazeSpec, IngestSpec, ReconstructSpec

#: Reconstructed frames shown of each arm.
_RECONSTRUCTIONS = 3


def gaze_examples(records: Records, jobs: Sequence[JobRecord], find: Find) -> tuple[GazeExample, ...]:
    """Frames from the middle of a few episodes, spread over those of `jobs` that looked for regions and have ended."""
    looked_at = [(row, spec) for row, spec in told(jobs, GazeSpec) if row.state == SUCCEEDED]
    if not looked_at:
        return ()
    episodes: dict[tuple[int, str], ArtifactRecord] = {
        (ingest.id, artifact.name): artifact
        for ingest, _ in told(jobs, IngestSpec)
        for artifact in records.artifacts_of(ingest)
    }
    read = {
        job: made for job, made, role in records.needs if role == "episode"
    }  # a gaze job reads one ingest
    examples = []
    for row, spec in (
        looked_at[place] for place in evenly_spaced(len(looked_at), GAZE.pictured, rounded_down=True)
    ):
        name = f"task_{spec.number}"
        (artifact,) = records.artifacts_of(row)
        episode_file = find(episodes[read[row.id], name])
        gaze_file = find(artifact)
        if episode_file is None or gaze_file is None:
            continue
        episode = load_episode(episode_file)
        with _opened(gaze_file) as tensors:
            found = header_of(tensors.metadata(), str(gaze_file))["rows"]
        frame = len(episode) // 2
        if frame >= len(found):
            raise InvalidInput(
                f"{gaze_file} has gaze regions of {len(found)} frames, its demonstration {len(episode)}"
            )
        examples.append(
            _gaze_example(np.asarray(episode.rgb_static[frame]), episode.instruction, found[frame])
        )
    return tuple(examples)


def _gaze_example(image: NDArray[np.uint8], instruction: str, row: GazeRow) -> GazeExample:
    """`row`: the frame's entry in the gaze artifact."""
    box, trusted = None, False
    if "box" in row:
        box, trusted = _box(row["box"]), row["trusted"]
        note = row["source"] if trusted else f"{row['source']}, doubtful"
    else:
        note = row["reason"]
    true_box = row.get("true_box")
    return GazeExample(
        image,
        box,
        f"{instruction} ({note.replace('_', ' ')})",
        trusted=trusted,
        true_box=None if true_box is None else _box(true_box),
    )


def _box(edges: Sequence[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = edges
    return x0, y0, x1, y1


def attention_panels(
    records: Records, find: Find, runs: Mapping[int, RunReport], looked_at: Mapping[tuple[str, int], str]
) -> tuple[AttentionPanel, ...]:
    """The same frames under the maps of each arm's first seed; `runs` by run id, looked_at: see `Attention`.

    Models of different sizes see different pictures: frames are those of the first arm. An arm that was looked at on
    other held-out frames, or with other heads, has no map here.
    """
    first: dict[str, tuple[str, Path]] = {}  # by arm, with what people read for it
    beside: list[str] = []
    for row, _ in told(records.jobs, AttentionSpec):
        run = None if row.run_id is None else runs.get(row.run_id)
        if row.state != SUCCEEDED or run is None:
            continue
        for artifact in records.artifacts_of(row):
            by = looked_at.get((run.arm, run.seed), "")
            if by != next(iter(beside), by):
                continue
            if run.arm not in first and (path := find(artifact)) is not None:
                first[run.arm] = run.shown, path
                beside.append(by)
    panels: dict[int, AttentionPanel] = {}
    for arm, (title, path) in first.items():
        with _opened(path) as tensors:
            about = tensors.metadata() or {}
            if "captions" not in about:
                continue  # made by an earlier version, which kept figures only
            captions = json.loads(about["captions"])
            maps = np.asarray(tensors.get_tensor("maps"), np.float32)
            images = np.asarray(tensors.get_tensor("images"), np.uint8)
            boxes, shown = tensors.get_tensor("boxes"), tensors.get_tensor("panel_rows")
        for place, row_number in enumerate(shown.tolist()):
            panel = panels.get(row_number)
            if panel is None and arm == next(iter(first)):
                panel = AttentionPanel(images[place], _box(boxes[place].tolist()), captions[place], ())
            if panel is not None:
                panels[row_number] = replace(panel, maps=(*panel.maps, (title, maps[place])))
    return tuple(panels.values())


def reconstructions(records: Records, find: Find) -> tuple[Reconstruction, ...]:
    """A few held-out frames of each arm that reconstructs, from its first seed that has any."""
    shown: dict[str, list[Reconstruction]] = {}
    for row, _ in told(records.jobs, ReconstructSpec):
        if row.state != SUCCEEDED or row.arm is None or row.arm in shown:
            continue
        for artifact in records.artifacts_of(row):
            if (path := find(artifact)) is not None:
                shown[row.arm] = _reconstructions(path, title_of(records.ablation.config, row.arm))
    return tuple(pair for pairs in shown.values() for pair in pairs)


def _reconstructions(path: Path, title: str) -> list[Reconstruction]:
    with _opened(path) as tensors:
        captions = json.loads((tensors.metadata() or {})["captions"])
        truth, encoded, sampled = (
            np.asarray(tensors.get_tensor(name), np.uint8) for name in ("truth", "encoded", "sampled")
        )
    return [
        Reconstruction(f"{title}: {captions[place]}", truth[place], encoded[place], sampled[place])
        for place in range(min(_RECONSTRUCTIONS, len(truth)))
    ]


class _Tensors(Protocol):
    """What is used here of a file that safetensors opened, which has no types."""

    def metadata(self) -> dict[str, str] | None: ...

    def get_tensor(self, name: str, /) -> NDArray[np.uint8 | np.float32 | np.float64 | np.int64]: ...


@contextmanager
def _opened(path: Path) -> Iterator[_Tensors]:
    """Tensors and metadata of an artifact, whose bytes are those of its row, whoever wrote them."""
    try:
        with safe_open(path, framework="numpy") as tensors:
            yield tensors
    except SafetensorError as error:
        raise InvalidInput(f"{path} holds no tensors that can be shown: {cut(str(error), 200)}") from None
