"""Write the figures of README and docs from the files that hold them: `python docs/generate_figures.py`.

A page holds a figure between markers that its readers do not see:

    <!--= benchmarks/results/decode_cache.json toy.ratio times --> 2.0 times <!--=-->
    <!--= settings.lease:STILL_SECONDS seconds --> 90 s <!--=-->
    <!--= value help.all_time --> 2 h 58 min <!--=-->
    <!--= table gaze.colour_stages --> (a table on lines of its own) <!--=-->

The first word is a JSON file of this repository or a constant of its code, then comes a path into it (`a.b`, `list[3]`,
`list[arm=baseline]`, `a@name@of@words`), then how it is written (`WRITTEN`). A value `a.b` and a table are what
the function `b` of `docs/a_tables.py` gives; so are whole files (`FILES`). `--check` writes nothing, says what would be
another, and which percentages, ratios and durations stand outside of markers: exit code 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
MARKED = re.compile(r"(<!--= *(?P<what>[^>]*?) *-->)(?P<text>.*?)(<!--=-->)", re.DOTALL)
#: What nobody measured here may stand bare: page -> what is somebody else's constant, a definition, or asked for.
NOT_MEASURED = {
    "docs/does-it-help.md": ("95 %",),  # of the intervals
    "docs/kaggle.md": (
        "12 hours",
        "half an hour",
        "30 s",
        "180 s",
    ),  # a session; until SIGKILL; a batch script
    # SLURM's cred_expire; what the batch script asks for, and is asked
    "docs/slurm.md": ("120 s", "four hours", "three minutes", "quarter of an hour"),
    "docs/seeds.md": ("95 %", "5 %"),  # levels of intervals and tests
    "docs/your-data.md": ("90 %",),  # the crop of OpenVLA's released evaluation
    "docs/statistics.md": ("5 %", "95 %"),  # what p and intervals promise
    "docs/gaze.md": ("75 %", "0.25 %"),  # what counts as hidden, and as small
    "benchmarks/README.md": ("12 hours", "50 times"),  # how often a benchmark kills and interrupts
}
#: Whole files: what gives each.
FILES = {"docs/results/demo.csv": "demo.csv"}
#: Numbers written as words are figures, too.
_WORDS = (
    r"half\s+an|quarter\s+of\s+an|(?:under|over|about)\s+an?|two|three|four|five|six|ten|"
    r"twelve|fifteen|twenty|thirty|forty|fifty|sixty"
)
BARE = re.compile(
    r"(?<![\w/.,-])\d[\d.,]*(?: (?:to|–) \d[\d.,]*)?\s?"
    r"(?:%|(?:ms|s|seconds?|min|minutes?|h|hours?|times|x|×)(?![\w'’])(?! \d)|-fold|分钟|小时|秒)"
    r"|\b\d+ ?h ?\d+ ?m(?:in)?\b"
    rf"|\b(?:{_WORDS})\s+(?:minutes?|hours?|percent)\b",
    re.IGNORECASE,
)


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def whole_percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def duration(seconds: float) -> str:
    """To the minute from a minute on: 2 h 58 min."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *rows])


WRITTEN: dict[str, Callable[[Any], str]] = {
    "percent": percent,
    "whole_percent": whole_percent,
    "duration": duration,
    "whole_seconds": lambda value: f"{value:.0f} s",
    "seconds": lambda value: f"{value:g} s",
    "ms_as_seconds": lambda value: f"{value / 1000:.1f} s",
    "milliseconds": lambda value: f"{value:.0f} ms" if value >= 20 else f"{value:.3g} ms",
    "tenth_milliseconds": lambda value: f"{value:.1f} ms",
    "times": lambda value: f"{value:.1f} times",
    "whole_times": lambda value: f"{value:.0f} times",
    "whole": lambda value: f"{value:,.0f}",
    "count": str,
    "gib": lambda value: f"{value:.1f} GiB",
    "number": lambda value: f"{value:,}",
    "two_digits": lambda value: f"{value:.2f}",
    "three_digits": lambda value: f"{value:.3f}",
}


@cache
def held(name: str) -> Any:
    return json.loads((REPOSITORY / name).read_text(encoding="utf-8"))


def at(value: Any, path: str) -> Any:
    """What lies at `a.b[2].c[key=value]` of a JSON document. Raises LookupError where nothing does."""
    for part in re.findall(r"[^.\[\]]+|\[[^\]]*\]", path):
        if not part.startswith("["):
            value = value[part.replace("@", " ")]
        elif "=" in part:
            key, _, wanted = part[1:-1].partition("=")
            (value,) = (item for item in value if str(item[key]) == wanted)
        else:
            value = value[int(part[1:-1])]
    return value


def given(what: str) -> str:
    """By the function `b` of `docs/a_tables.py`, for `a.b`."""
    group, _, name = what.partition(".")
    return str(getattr(importlib.import_module(f"docs.{group}_tables"), name)())


def written(what: str) -> str:
    """The text of the marker that says `what`. Raises LookupError and ValueError where it says nothing."""
    source, *rest = what.split()
    if source in ("table", "value"):
        text = given(rest[0])
        return f"\n\n{text}\n\n" if source == "table" else text
    if source.endswith(".json"):
        path, form = rest
        return WRITTEN[form](at(held(source), path))
    module, _, name = source.partition(":")
    value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return WRITTEN[rest[0]](value)


def renewed(page: str) -> str:
    return MARKED.sub(lambda found: found[1] + written(found["what"]) + found[4], page)


def bare(page: str) -> Iterator[str]:
    """Percentages, ratios and durations outside of markers and code; comments in code are read as the page is."""
    text = re.sub(
        r"```.*?```", lambda code: "\n".join(re.findall(r"\s#\s.*", code[0])), page, flags=re.DOTALL
    )
    text = re.sub(r"`[^`\n]*`", "", MARKED.sub("", text))
    for found in BARE.finditer(text):
        if not re.match(r"\d+ x \d", text[found.start() :]):  # a size, no ratio
            yield found[0].strip()


def pages() -> list[Path]:
    return sorted(
        [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "benchmarks/README.md"]
    )


def wrong(path: Path) -> list[str]:
    """What is not as it should be in a page, in sentences."""
    page = path.read_text(encoding="utf-8")
    name = path.relative_to(REPOSITORY).as_posix()
    found = []
    for marker in MARKED.finditer(page):
        if (new := written(marker["what"])) != marker["text"]:
            found.append(
                f"{name}: {marker['what']} is {new.strip()[:80]}, the page has {marker['text'].strip()[:80]}"
            )
    return found + [
        f"{name}: {text} stands outside of markers"
        for text in bare(page)
        if text not in NOT_MEASURED.get(name, ())
    ]


def wrong_files() -> list[str]:
    """Whole files that are not what they should be, in sentences."""
    return [
        f"{name} is not what docs/{what.partition('.')[0]}_tables.py gives"
        for name, what in FILES.items()
        if (REPOSITORY / name).read_text(encoding="utf-8") != given(what)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        found = [*(sentence for path in pages() for sentence in wrong(path)), *wrong_files()]
        print("\n".join(found) or "every figure is that of its file")
        return int(bool(found))
    for path in pages():
        page = path.read_text(encoding="utf-8")
        if (new := renewed(page)) != page:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(REPOSITORY)}")
    for name in [name for name in FILES if any(one.startswith(f"{name} ") for one in wrong_files())]:
        (REPOSITORY / name).write_text(given(FILES[name]), encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))
    sys.exit(main())
