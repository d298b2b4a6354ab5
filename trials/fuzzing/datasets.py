"""Mutated folders of CALVIN: frames (zip archives of arrays) and the small files beside them."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from pathlib import Path

from trials.fuzzing.mutations import changed_bytes, changed_text, changed_value

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_HEADER_MARKS = ("9", "-", "0x", "(", ")", "[", "'", "|O", "<U9", "True", ", ", "9" * 30, "{", "V8", "\0")


def changed_array_file(draw: random.Random, data: bytes) -> bytes:
    """An .npy file with another header, or other bytes."""
    if draw.random() < 0.4:
        return changed_bytes(draw, data, near=(0,))
    length = int.from_bytes(data[8:10], "little")
    header = changed_text(draw, data[10 : 10 + length].decode("latin-1"), _HEADER_MARKS).encode("latin-1")
    said = len(header) if draw.random() < 0.8 else draw.randrange(65_536)
    return data[:8] + said.to_bytes(2, "little") + header + data[10 + length :]


def changed_archive(draw: random.Random, data: bytes) -> bytes:
    """An archive whose members, names, methods or directory are others."""
    if draw.random() < 0.4:
        marks = [at for at in range(len(data)) if data.startswith(b"PK", at)]
        return changed_bytes(draw, data, near=tuple(marks))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at, how = draw.randrange(len(members)), draw.randrange(4)
    name, content = members[at]
    if how == 0:
        del members[at]
    elif how == 1:
        members[at] = (name, members[draw.randrange(len(members))][1])
    else:
        members[at] = (name, changed_array_file(draw, content))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", draw.choice(_METHODS)) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue() if draw.random() < 0.7 else changed_bytes(draw, made.getvalue())


class Datasets:
    name = "datasets"
    readers = (
        "calvin/frames.py",
        "calvin/dataset.py",
        "calvin/annotations.py",
        "calvin/check.py",
        "calvin/pickles.py",
    )

    def __init__(self, folder: Path) -> None:
        from tests.calvin.samples import make_episode
        from tests.calvin.writing import write_split

        self._root = folder / "data"
        boxes = tuple({"drawer": (1.0, 2.0, 30.0, 40.0), "led": None} for _ in range(3))
        episodes = [make_episode(start, 3, boxes=boxes) for start in (0, 3)]
        write_split(self._root, "training", episodes, validation_instructions={"open_drawer": "open it"})
        shutil.copytree(self._root / "training", folder / "sound")
        self._sound = folder / "sound"

    def meet(self, draw: random.Random) -> None:
        from calvin.check import examine
        from calvin.dataset import open_dataset, survey
        from calvin.split import annotated_frames

        split = self._root / "training"
        source = draw.choice(sorted(path for path in self._sound.rglob("*") if path.is_file()))
        changed = split / source.relative_to(self._sound)
        data = source.read_bytes()
        if source.suffix == ".npz":
            data = changed_archive(draw, data)
        elif source.suffix == ".npy":
            data = changed_array_file(draw, data)
        elif source.suffix == ".json":
            data = json.dumps(changed_value(draw, json.loads(data))).encode()
        else:
            data = changed_bytes(draw, data)
        changed.write_bytes(data)
        try:
            seen, _ = survey(self._root, "training")
            examine(seen, annotated_frames(seen))
            open_dataset(self._root, "training")
        finally:
            shutil.copy(source, changed)
