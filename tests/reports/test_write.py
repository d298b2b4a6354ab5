import json

from reports.data import RunReport
from reports.document import to_json
from reports.write import write_report
from tests.reports.samples import full, made, open_loop


def test_writes_its_files_the_same_every_time(tmp_path):
    first = write_report(full(), tmp_path / "a")
    second = write_report(full(), tmp_path / "b")
    pairs = ["comparisons.csv", "comparisons.png", "comparisons.tex"]
    whole = ["report.html", "report.json", "results.csv", "table.csv", "table.png", "table.tex"]
    charts = [
        "action-loss",
        "comparisons",
        "open-loop-error",
        "reconstruction-loss",
        "success",
        "validation-action",
    ]
    assert sorted(first) == [*pairs, *(f"figure-{name}.svg" for name in charts), *whole]
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(first)


def test_one_arm_has_nothing_to_compare(tmp_path):
    written = write_report(made("x", (RunReport("a", 0, 1),)), tmp_path)
    assert not any(name.startswith("comparisons") for name in written)


def test_json_on_disk_is_the_document(tmp_path):
    written = write_report(open_loop(), tmp_path)
    assert json.loads(written["report.json"].read_text()) == to_json(open_loop())


def test_writing_again_replaces(tmp_path):
    write_report(full(), tmp_path)
    written = write_report(open_loop(), tmp_path)
    assert "open loop only" in written["report.html"].read_text()
