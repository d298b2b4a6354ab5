"""The 1000 sequences of CALVIN's evaluation, as drawn once: drawing them takes ten seconds a process.

`python -m calvin.official_sequences` draws them anew and writes the file.
"""

from __future__ import annotations

from pathlib import Path

from settings import files

COUNT = 1000
FILE = Path(__file__).with_name("official_sequences.csv")

#: Number of the initial state among the 192, and the numbers of its tasks among the 34 in official order.
Row = tuple[int, tuple[int, ...]]


def read_rows() -> list[Row]:
    """One row per sequence, in the official order."""
    lines = FILE.read_text(encoding="ascii").splitlines()[1:]
    return [(state, tuple(tasks)) for state, *tasks in (map(int, line.split(",")) for line in lines)]


def write_rows(rows: list[Row], path: Path) -> None:
    lines = ["initial_state,task_1,task_2,task_3,task_4,task_5"]
    lines += [",".join(map(str, (state, *tasks))) for state, tasks in rows]
    files.write(path, "\n".join(lines) + "\n")


if __name__ == "__main__":
    from calvin.sequences import draw_rows

    write_rows(draw_rows(COUNT), FILE)
