"""Every result as a line, for other statistics."""

from __future__ import annotations

import csv
import io

from reports.data import RunReport
from reports.results_table import results_csv
from tests.reports.samples import made


def test_a_line_for_each_sequence_of_each_model() -> None:
    runs = (RunReport("a", 0, 1, results=(0, 5)), RunReport("a", 1, 1), RunReport("b", 0, 1, results=(3,)))
    records = list(csv.DictReader(io.StringIO(results_csv(made("x", runs)))))
    assert [(r["policy"], r["seed"], r["episode"], r["result"]) for r in records] == [
        ("a_s0", "0", "0", "0"), ("a_s0", "0", "1", "5"), ("b_s0", "0", "0", "3"),
    ]  # fmt: skip
    assert [records[2][f"success_{k}"] for k in range(1, 6)] == ["1", "1", "1", "0", "0"]
    assert [(r["score"], r["success"]) for r in records] == [("0.0", "0"), ("1.0", "1"), ("0.6", "0")]
