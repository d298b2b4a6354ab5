"""LeRobot sets as other tools leave them: read as what they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from calvin.lerobot_format.films import film_frames, film_index
from calvin.split import TRAINING, Reading, open_split
from tests.calvin import lerobot_sets as sets

NONE = Reading(validation_episodes="none")
SHAPE = (84, 84, 3)


def test_single_numbers_may_be_lists_of_one(tmp_path: Path) -> None:
    shown = sets.episodes(2)
    root = sets.write_v2(tmp_path / "set", shown)
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        for name in ("frame_index", "episode_index", "task_index"):
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pa.array([[value] for value in table[name].to_pylist()]))
        pq.write_table(table, path)
    opened = open_split(root, TRAINING, NONE)
    for demonstration, episode in zip(opened.demonstrations, shown):
        np.testing.assert_array_equal(opened.read(demonstration).robot_obs, episode.robot_obs)


def test_texts_of_tasks_are_the_column_that_has_texts(tmp_path: Path) -> None:
    """pandas writes a counted index beside them where it was not the texts."""
    root = sets.write_v3(tmp_path / "set", sets.episodes(2))
    path = root / "meta" / "tasks.parquet"
    table = pq.read_table(path)
    numbers, texts = table["task_index"], table["__index_level_0__"]
    pq.write_table(pa.table({"task_index": numbers, "task": texts, "__index_level_0__": numbers}), path)
    assert len(open_split(root, TRAINING, NONE).demonstrations) == 2


def test_a_film_that_was_cut_without_decoding_begins_where_it_shows(tmp_path: Path) -> None:
    """Its first key frame is there, and its edit list hides it: what is shown hangs on it."""
    import av

    pictures, hidden = sets.numbered(0, 22, SHAPE[0]), 3
    with av.open(str(tmp_path / "whole.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.height, stream.width, stream.pix_fmt = SHAPE[0], SHAPE[1], "yuv420p"
        stream.options = {"crf": "4", "bf": "0", "g": "10"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    path = tmp_path / "cut.mp4"
    later = {"avoid_negative_ts": "disabled"}
    with (
        av.open(str(tmp_path / "whole.mp4")) as whole,
        av.open(str(path), "w", options={"use_editlist": "1"}, container_options=later) as container,
    ):
        stream = container.add_stream_from_template(whole.streams.video[0])
        assert whole.streams.video[0].time_base is not None
        shift = int(hidden / 30 / whole.streams.video[0].time_base)
        for packet in whole.demux(whole.streams.video[0]):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                container.mux(packet)
    count = len(film_index(path, SHAPE))
    assert count == len(pictures) - hidden
    for first, last in ((0, count), (2, 5), (8, 12), (count - 1, count)):
        for place, frame in enumerate(film_frames(path, SHAPE, first, last), first):
            apart = np.abs(pictures.astype(int) - frame).mean(axis=(1, 2, 3))
            assert int(np.argmin(apart)) == hidden + place
