"""Draw the pictures of the report that README and docs show, of docs/results/demo.json by the report's own code.

    python -m docs.generate_pictures [--chromium chromium]    # pdftoppm of poppler-utils, too

What the file does not hold (films, pictures, curves step by step) is not in them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from docs.generate_figures import REPOSITORY
from experiments.design.spread import spreads_of_runs
from experiments.reconvla.report.metric import TASKS_IN_A_ROW
from experiments.reconvla.report.parts.attention import Attention
from experiments.reconvla.report.parts.gaze import Gaze, PretrainingGaze
from experiments.reconvla.report.parts.looks import Looks
from experiments.reconvla.report.parts.reconstructions import Reconstructions
from experiments.reconvla.report.published import published_for
from experiments.reconvla.report.sections import ORDER, sections
from reports.data import ReportData, RunReport, TaskScore
from reports.html import render_html
from reports.parts.device_time import DeviceTime
from reports.parts.films import Films
from reports.parts.reproduction import Reproduction
from reports.summary import summarise

HEADLESS = ("--headless", "--no-sandbox", "--disable-gpu")
#: (picture, width and height of the window in CSS pixels, options of the browser)
PICTURES = (
    ("report.png", (1280, 1645), ()),
    ("report-dark.png", (1280, 1645), ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")),
    ("report-phone.png", (390, 1200), ()),
)


def report_of(document: Any) -> ReportData:
    """The page of a stored report.json, as far as it goes."""
    titles = {row["arm"]: row["title"] for row in document["arms"]}
    order = list(titles)
    runs = tuple(
        RunReport(
            run["arm"], run["seed"], run["train_steps"], tuple(run["results"]), run["open_loop_error"],
            run["held_out_loss"], slices=run["slices"], device_seconds=run["device_seconds"],
            useful_seconds=run["useful_seconds"], title=titles[run["arm"]],
            tasks={name: TaskScore(**score) for name, score in run["tasks"].items()},
        )
        for run in sorted(document["runs"], key=lambda run: (order.index(run["arm"]), run["seed"]))
    )  # fmt: skip
    kinds = (Films, Looks, Reconstructions, Attention, Gaze, PretrainingGaze, DeviceTime, Reproduction)
    return ReportData(
        document["ablation"],
        TASKS_IN_A_ROW,
        runs,
        sections(*(kind() for kind in kinds)),  # type: ignore[arg-type]
        ablation_id=document["ablation_id"],
        created_at=document["created_at"],
        state=document["state"],
        jobs=document["jobs"],
        random_results=(0,) * document["random_policy"]["sequences"],
        published=published_for(set(order)),
        order=ORDER,
        scatter=spreads_of_runs(TASKS_IN_A_ROW, runs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default="chromium")
    chromium = parser.parse_args().chromium
    document = json.loads((REPOSITORY / "docs" / "results" / "demo.json").read_text(encoding="utf-8"))
    assert not any(document["random_policy"]["success"]), "random actions solved something"
    data = report_of(document)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(render_html(data, summarise(data)), encoding="utf-8")
        for name, (width, height), options in PICTURES:
            picture = REPOSITORY / "docs" / name
            window = (f"--window-size={width},{height}", f"--screenshot={picture}")
            shown = (*HEADLESS, "--hide-scrollbars", *options, *window, page.as_uri())
            subprocess.run([chromium, *shown], check=True, capture_output=True)
            print(f"wrote {picture.relative_to(REPOSITORY)}")
        paper = page.with_suffix(".pdf")
        as_paper = (*HEADLESS, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page.as_uri())
        subprocess.run([chromium, *as_paper], check=True, capture_output=True)
        printed = REPOSITORY / "docs" / "report-print"
        subprocess.run(
            ["pdftoppm", "-png", "-r", "96", "-f", "1", "-singlefile", paper, printed], check=True
        )  # of poppler-utils
        print(f"wrote docs/{printed.name}.png")


if __name__ == "__main__":
    main()
