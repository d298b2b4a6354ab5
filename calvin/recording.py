"""Who drew the pictures of a split, and what that rests on.

`.hydra/merged_config.yaml` is no evidence: people write `use_egl: false` into it so that calvin_env runs where EGL
does not, and the pictures stay what they were. CALVIN's own downloads are known by their frames, and a split that
Baton wrote carries a record that is sealed with its frames. What was drawn can be looked at, too: `tasks.drawn_anew`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cameras import EGL, TINY
from calvin.downloads import known_download
from calvin.frames import FrameFiles
from calvin.split import CALVIN, Record, Recording
from errors import DatasetError
from settings import files
from settings.documents import parse_json, parse_yaml
from settings.faults import need_fact
from settings.regular import MOST_YAML_BYTES, is_there, read_text, text_of

if TYPE_CHECKING:
    from calvin.dataset import CalvinSplit


RECORD = "recording.json"
CONFIGURATION = Path(".hydra", "merged_config.yaml")


def recording_of(split: CalvinSplit) -> Recording:
    """What is known without drawing anything.

    Raises DatasetError for a configuration that is not YAML; a record of Baton's that does not fit is no evidence.
    """
    claimed = recorded_renderer(split.folder)
    download = known_download(split.split, split.scene_ranges, split.recorded)
    if download is not None:
        basis = f"its frames are those of CALVIN's {download} download, which was drawn with EGL"
        if claimed == TINY:
            basis += f", although {CONFIGURATION} says use_egl: false"
        return Recording(EGL, basis, CALVIN)
    try:
        record = read_record(split.folder, split.recorded, split.frames)
    except DatasetError as error:
        return Recording(None, str(error).removesuffix("."))
    if record is not None:
        return recorded(record, RECORD)
    if claimed is not None:
        return Recording(None, f"only {CONFIGURATION} says {claimed}, and people edit that file")
    return Recording(None, "nothing in the dataset tells")


def recorded(record: Record, file: str) -> Recording:
    """What a record of Baton's tells, that lies in `file`."""
    if record.losses is None:
        basis = f"Baton drew the frames and recorded it in {file}"
    else:
        basis = f"Baton recorded it in {file}; its pictures lost detail to {record.losses}"
    return Recording(record.drawn_by, basis, record.scenes, record.losses)


def recorded_renderer(split_folder: Path) -> str | None:
    """The renderer that the split's configuration names: `egl` or `tiny`, None where it names none.

    calvin_env draws with EGL where `env.use_egl` is true, else with PyBullet's own renderer
    (calvin_env/envs/play_table_env.py). It says what was asked for last, not what drew the frames. Raises
    DatasetError for a configuration that is not YAML or has a key twice.
    """
    file = split_folder / CONFIGURATION
    if not is_there(file):
        return None
    config = parse_yaml(text_of(file, DatasetError, MOST_YAML_BYTES), str(file), DatasetError)
    env = config.get("env") if isinstance(config, dict) else None
    used = env.get("use_egl") if isinstance(env, dict) else None
    return (EGL if used else TINY) if isinstance(used, bool) else None


def write_record(
    folder: Path, recorded: Sequence[tuple[int, int]], frames: FrameFiles, record: Record
) -> None:
    """Leave word of what drew the frames, sealed with them. recorded: first and last frame of each episode."""
    content = {**record.document, "seal": _seal(record, recorded, frames)}
    files.write(folder / RECORD, json.dumps(content) + "\n")


def read_record(folder: Path, recorded: Sequence[tuple[int, int]], frames: FrameFiles) -> Record | None:
    """As Baton wrote it, None where it wrote none.

    Raises DatasetError where the record is damaged, or was not written for these frames in these words.
    """
    file = folder / RECORD
    if not is_there(file):
        return None
    try:
        content: Any = parse_json(read_text(file))
        record = Record(content["drawn_by"], content["scenes"], content.get("losses"))
        known = record.is_known
        seal = content["seal"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        need_fact(error)
        raise DatasetError(f"{file} is damaged.") from None
    if not known or seal != _seal(record, recorded, frames):
        raise DatasetError(f"{file} was changed, or is of other frames than these.")
    return record


def _seal(record: Record, recorded: Sequence[tuple[int, int]], frames: FrameFiles) -> str:
    """SHA-256 over the record and the checksums in the archives of each episode's first and last frame."""
    ends = [[start, end, frames.checksums(start), frames.checksums(end)] for start, end in sorted(recorded)]
    return hashlib.sha256(json.dumps([record.document, ends], sort_keys=True).encode()).hexdigest()
