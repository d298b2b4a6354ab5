"""How often CALVIN's scenes are told by a static picture: right, wrong and unknown.

python -m benchmarks.scene_pictures --assets CLONE --data DIR [--keep FOLDER] [--make]

Pictures of all four scenes are drawn with furniture, lamps, blocks and arm at random (`scene_frames`), by both of
PyBullet's renderers, and looked at as they are and after H.264 and AV1 as lerobot writes them (yuv420p, crf 30, a key
frame every second one). Others, of which none may be taken for a scene of CALVIN's: Baton's own scenes, noise, one
colour, parts of a photograph, and CALVIN's with red and blue exchanged, mirrored, upside down or darker.

--make draws other pictures first and writes the references, calvin/scene_pictures.png. --keep: pictures drawn are kept
there, and those that lie there are not drawn again.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmark.embodiment import CALVIN
from benchmark.tasks import SCENES
from benchmarks.builds import ASSETS, DATA
from benchmarks.machine import describe
from benchmarks.scene_frames import pictures, recorded_states
from calvin.scene_pictures import DRAWN, FILE, SIZE, coarse, sighting
from settings.scheduling import kept_scheduling
from simulators.playtable.renderers import RENDERERS

_RESULT = Path(__file__).parent / "results" / "scene_pictures.json"
#: Numbers that decide pictures; those of the references are others than those that are measured.
_MADE_SEED, _MEASURED_SEED, _OTHER_SEED = 1, 2, 3
_MADE, _OTHERS = 250, 100
#: A place never changes where this share of pictures is within so many grey levels of their median.
_STEADY, _STEADY_LEVELS = 0.75, 10.0
_CODECS = {
    "h264": ("libx264", {"crf": "30", "g": "2"}),
    "av1": ("libsvtav1", {"crf": "30", "g": "2", "preset": "8"}),
}
_CHUNK = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, default=ASSETS)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=int, default=1000, help="Of each scene by each renderer.")
    parser.add_argument(
        "--photograph", type=Path, default=None, help="Of which parts are looked at [matplotlib's]."
    )
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    drawn = _Drawn(options.assets, recorded_states(options.data), options.keep)
    if options.make:
        _make(drawn)
    document = {
        "scenes": [
            _measured(drawn, scene, renderer, options.pictures) for renderer in RENDERERS for scene in SCENES
        ],
        "others": [_counted(name, shown) for name, shown in _others(drawn, options.photograph)],
        "machine": describe(),
    }
    rows = [counts for entry in document["scenes"] for counts in entry["after"].values()]
    for what in ("pictures", "right", "wrong", "unknown"):
        print(what, sum(row[what] for row in rows))
    print("others taken for a scene", sum(entry["taken_for_a_scene"] for entry in document["others"]))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n")


class _Drawn:
    """Draws, or finds what was drawn before."""

    def __init__(self, assets: Path, states: np.ndarray, keep: Path | None) -> None:
        self._assets, self._states, self._keep = assets, states, keep

    def __call__(self, what: str, scene: str, renderer: str, count: int, seed: int) -> np.ndarray:
        """uint8 (count, 200, 200, 3). what: `own` are Baton's scenes."""
        file = None if self._keep is None else self._keep / f"{what}_{renderer}_{scene}.npy"
        if file is not None and file.exists():
            return np.load(file)[:count]
        assets = None if what == "own" else self._assets
        found = np.stack(list(pictures(scene, assets, renderer, self._states, range(count), seed)))
        if file is not None:
            np.save(file, found)
        return found


def _make(drawn: _Drawn) -> None:
    tiles = []
    for scene, renderer in DRAWN:
        small = np.stack([coarse(one) for one in drawn("ref", scene, renderer, _MADE, _MADE_SEED)])
        middle = np.median(small, axis=0)
        steady = (np.abs(small - middle).max(axis=3) <= _STEADY_LEVELS).mean(axis=0) >= _STEADY
        # What moves is hidden in the file, too: it would only mislead who looks at it.
        tiles.append(np.dstack([np.where(steady[..., None], np.round(middle), 0), np.where(steady, 255, 0)]))
    sheet = np.concatenate(tiles).astype(np.uint8).reshape(len(DRAWN) * SIZE, SIZE, 4)
    Image.fromarray(sheet, "RGBA").save(FILE, optimize=True)


def _measured(drawn: _Drawn, scene: str, renderer: str, count: int) -> dict[str, object]:
    shown = drawn("test", scene, renderer, count, _MEASURED_SEED)
    after: dict[str, object] = {"nothing": _figures(shown, scene)}
    for name, (codec, settings) in _CODECS.items():
        after[name] = _figures(_coded(shown, codec, settings), scene)
    print(scene, renderer, after, flush=True)
    return {"scene": scene, "renderer": renderer, "after": after}


def _figures(shown: Sequence[np.ndarray] | Iterator[np.ndarray], scene: str) -> dict[str, object]:
    """alike, ahead: the least of all pictures; see `calvin.scene_pictures.sighting`."""
    seen = [sighting(one) for one in shown]
    told = Counter(
        "unknown" if one.scene is None else "right" if one.scene == scene else "wrong" for one in seen
    )
    return {
        "pictures": len(seen),
        **{what: told[what] for what in ("right", "wrong", "unknown")},
        "least_alike": round(min(one.alike for one in seen), 3),
        "least_ahead": round(min(one.alike - one.other for one in seen), 3),
    }


def _coded(shown: np.ndarray, codec: str, settings: dict[str, str]) -> Iterator[np.ndarray]:
    """Through a film in memory and back, some at a time. Neighbours have nothing to do with each other, which is harder
    than a recording."""
    for first in range(0, len(shown), _CHUNK):
        content = io.BytesIO()
        with kept_scheduling(), av.open(content, "w", format="mp4") as container:
            stream = container.add_stream(codec, rate=Fraction(30))
            stream.height = stream.width = shown.shape[1]
            stream.pix_fmt, stream.options = "yuv420p", settings
            for picture in shown[first : first + _CHUNK]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        content.seek(0)
        with av.open(content, "r", format="mp4") as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")


def _others(drawn: _Drawn, photograph: Path | None) -> Iterator[tuple[str, Sequence[np.ndarray]]]:
    for renderer in RENDERERS:
        for scene in SCENES:
            shown = drawn("own", scene, renderer, _OTHERS, _OTHER_SEED)
            yield f"Baton's scene {scene}, drawn by {renderer}", list(shown)
    random = np.random.default_rng(_OTHER_SEED)
    yield "noise", list(random.integers(0, 256, (_OTHERS, *CALVIN.static_shape), dtype=np.uint8))
    yield (
        "one colour",
        [
            np.full(CALVIN.static_shape, colour, dtype=np.uint8)
            for colour in random.integers(0, 256, (_OTHERS, 3))
        ],
    )
    yield "parts of a photograph", list(_parts(photograph, random))
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "red and blue exchanged": lambda one: one[..., ::-1],
        "mirrored": lambda one: one[:, ::-1],
        "upside down": lambda one: one[::-1],
        "at 70 % of their brightness": lambda one: (one * 0.7).astype(np.uint8),
    }
    for renderer in RENDERERS:
        for scene in SCENES:
            shown = drawn("test", scene, renderer, _OTHERS, _MEASURED_SEED)
            for name, change in changes.items():
                yield f"CALVIN's scene {scene} drawn by {renderer}, {name}", [change(one) for one in shown]


def _parts(photograph: Path | None, random: np.random.Generator) -> Iterator[np.ndarray]:
    if photograph is None:
        from matplotlib import cbook

        photograph = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    with Image.open(photograph) as opened:
        whole = opened.convert("RGB")
        for _ in range(_OTHERS):
            side = int(random.integers(60, min(whole.size)))
            left, top = (int(random.integers(0, size - side + 1)) for size in whole.size)
            yield np.asarray(whole.crop((left, top, left + side, top + side)).resize((200, 200)))


def _counted(name: str, shown: Sequence[np.ndarray]) -> dict[str, object]:
    seen = [sighting(one) for one in shown]
    return {
        "what": name,
        "pictures": len(seen),
        "taken_for_a_scene": sum(one.scene is not None for one in seen),
        "most_alike": round(max(one.alike for one in seen), 3),
    }


if __name__ == "__main__":
    main()
