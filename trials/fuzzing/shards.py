"""Mutated tar shards of CALVIN's frames: headers, long names, members, and the frames in them."""

from __future__ import annotations

import io
import random
import shutil
import tarfile
from pathlib import Path

import numpy as np

from trials.fuzzing.datasets import changed_archive
from trials.fuzzing.mutations import TEXTS, changed_bytes

_NAMES = ("episode_0000001.npz", "training_episode_0000002.npz", "x" * 300,
          "validation/episode_0000100.npz", "training/episode_999999999999.npz", "training_episode_1.npz",
          "../episode_1.npz", "名" * 60)  # fmt: skip
_KINDS = (b"0", b"\0", b"1", b"2", b"3", b"5", b"6", b"L", b"K", b"x", b"g", b"S", b"7", b"V")
_SIZES = (0, 1, 511, 512, 8**11 - 1, 2**62, 10_000_000)
_BLOCK = 512


class Shards:
    name = "shards"
    readers = (
        "calvin/tar_shards.py",
        "calvin/frames.py",
        "calvin/npz.py",
        "calvin/npy.py",
        "calvin/missing_end.py",
    )

    def __init__(self, folder: Path) -> None:
        from tests.calvin.samples import make_episode
        from tests.calvin.writing import write_split

        plain = folder / "plain"
        write_split(plain, "training", [make_episode(100, 3), make_episode(200, 3, seed=1)])
        write_split(plain, "validation", [make_episode(100, 3, seed=2, split="validation")])
        self._roots = [_packed(plain, folder / form, form) for form in ("named", "folder", "beside")]
        for root in self._roots:
            self._read(random.Random(0), root)

    def meet(self, draw: random.Random) -> None:
        root = draw.choice(self._roots)
        changed = draw.choice(sorted(root.rglob("*.tar")))
        sound = changed.read_bytes()
        changed.write_bytes(_changed_shard(draw, sound))
        try:
            self._read(draw, root)
        finally:
            changed.write_bytes(sound)

    def _read(self, draw: random.Random, root: Path) -> None:
        from calvin.split import annotated_frames, open_split, survey_split

        seen, _ = survey_split(root, draw.choice(("training", "validation")))
        if draw.random() < 0.2:
            seen.examine(annotated_frames(seen))
        split = open_split(root, seen.split)
        one = draw.choice(split.demonstrations)
        split.fingerprint(one)
        if not np.isfinite(split.read(one).robot_obs).all():
            raise AssertionError("states that are not finite")


def _packed(plain: Path, root: Path, form: str) -> Path:
    for name in ("training", "validation"):
        shutil.copytree(plain / name, root / name, ignore=shutil.ignore_patterns("episode_*.npz"))
        where = root / name if form == "beside" else root
        frames = sorted((plain / name).glob("episode_*.npz"))
        for part in range(2):
            with tarfile.open(where / f"{name}-{part:06d}.tar", "w") as shard:
                for frame in frames[part::2]:
                    written = {"named": f"{name}_{frame.name}", "folder": f"{name}/{frame.name}"}
                    shard.add(frame, written.get(form, frame.name))
    return root


def _changed_shard(draw: random.Random, data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as shard:
        members = [(one, shard.extractfile(one).read()) for one in shard]  # type: ignore[union-attr]
    how = draw.random()
    if how < 0.2:
        return changed_bytes(draw, data, near=tuple(one.offset_data - 400 for one, _ in members))
    form = draw.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT))
    if draw.random() < 0.3:
        at = draw.randrange(len(members))
        members[at] = members[at][0], changed_archive(draw, members[at][1])
    for _ in range(draw.randint(1, 2)):
        at, what = draw.randrange(len(members)), draw.randrange(4)
        about, _ = members[at]
        if what == 0 and len(members) > 1:
            del members[at]
        elif what == 1:
            members.insert(draw.randrange(len(members) + 1), members[at])
        elif what == 2:
            about.name = draw.choice((*_NAMES, *TEXTS))
        else:
            about.pax_headers = {draw.choice(("path", "size", "x", "GNU.sparse.name")): draw.choice(_NAMES)}
    made = b"".join(_member(draw, *one, form) for one in members) + bytes(2 * _BLOCK)
    return made if draw.random() < 0.8 else made[: draw.randrange(len(made))]


def _member(draw: random.Random, about: tarfile.TarInfo, content: bytes, form: int) -> bytes:
    about.size = len(content)
    try:
        header = bytearray(about.tobuf(form, "utf-8", "surrogateescape"))
    except ValueError:  # that format has no such names
        header = bytearray(about.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    if draw.random() < 0.1:
        at = draw.randrange(len(header) // _BLOCK) * _BLOCK
        if draw.random() < 0.5:
            header[at + 156 : at + 157] = draw.choice(_KINDS)
        else:
            header[at + 124 : at + 136] = b"%011o\0" % (draw.choice(_SIZES) % 8**11)
    return bytes(header) + content + bytes(-len(content) % _BLOCK)
