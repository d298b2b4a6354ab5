"""The benchmark of the report's statistics keeps what is of the code that is here, and says what is missing."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.inference import Json, Part, Run, current, parts
from benchmarks.inference_carry import carried


def a_run() -> tuple[Run, Part]:
    found = next(part for part in parts(4, 4, 2) if part.name == "families")
    return Run([found], seed=27), found


def test_cells_of_other_code_are_missing_and_named() -> None:
    run, part = a_run()
    first, second = run.abouts(part)
    rows = [{**first, "code": "another"}, {**second, "any_mark": {"share": 0.25}}]
    assert current(part, rows) == rows[1:]
    known = run.known(part, {"families": rows, "incomplete": "by hand"})
    assert known == [None, rows[1]]
    told: Json = run.told({"families": known})
    assert told == {"missing": {"families": [part.cells[0].about]}, "families": rows[1:]}


def test_a_cell_is_made_again_as_it_was() -> None:
    run, part = a_run()
    assert run.simulated(part, 0) == run.simulated(part, 0)
    assert run.told({"families": [run.simulated(part, place) for place in (0, 1)]})["missing"] == {}


def test_rows_of_a_build_that_gives_the_same_are_kept_and_others_not() -> None:
    stored: Json = {
        "arms": [{"share": 0.9, "code": "old"}, {"share": 0.8, "code": "older"}],
        "families": [{"code": "old"}],
    }
    old = {
        "arms": {"code": "old", "rows": [{"share": 0.5, "code": "old"}]},
        "families": {"code": "old", "rows": [{"share": 0.1}]},
    }
    new = {
        "arms": {"code": "new", "rows": [{"share": 0.5, "code": "new"}]},
        "families": {"code": "new", "rows": [{"share": 0.2}]},
    }
    rows, differ = carried(stored, old, new)
    assert differ == ["families"] and rows["families"] == stored["families"]
    assert [row["code"] for row in rows["arms"]] == ["new", "older"]


def test_every_part_depends_on_the_level_of_tests() -> None:
    assert all("reports/level.py" in part.files for part in parts(4, 4, 2))
    assert replace(a_run()[1], asked=()).code != a_run()[1].code
