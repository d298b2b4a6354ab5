"""One process that meets case after case of a subject and says where it is.

    python -m trials.fuzzing.child pickles --seed 1 --case 42    # one case again

A line of JSON for each wrong case, and one for the counts at the end. `--place` holds the number of the case at hand.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from trials import REPOSITORY
from trials.fuzzing.subjects import SUBJECTS, Subject, outcome

#: Above what the process takes after its first cases.
_MOST_GROWTH = 1 << 30
_WARM_CASES = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--case", type=int, help="only this, with its traceback")
    parser.add_argument("--place", type=Path)
    parser.add_argument("--coverage", type=Path, help="where the lines that were reached are noted")
    options = parser.parse_args()
    kind = SUBJECTS[options.subject]
    with tempfile.TemporaryDirectory(prefix="baton-fuzz-") as folder:
        if options.case is not None:
            print(json.dumps(outcome(kind(Path(folder)), options.seed, options.case)))
            return 0
        if options.coverage is None:
            _run(kind(Path(folder)), options)
            return 0
        import coverage

        looked = coverage.Coverage(
            data_file=options.coverage, include=[str(REPOSITORY / pattern) for pattern in kind.readers]
        )
        looked.start()
        try:
            _run(kind(Path(folder)), options)
        finally:
            looked.stop()
            looked.save()
    return 0


def _run(subject: Subject, options: argparse.Namespace) -> None:
    outcome(subject, options.seed, -1)  # imports what it needs
    counts: Counter[str] = Counter()
    place = os.open(options.place or os.devnull, os.O_WRONLY | os.O_CREAT, 0o600)
    until, base = time.monotonic() + options.seconds, 0
    for case in itertools.count(options.first):
        if time.monotonic() > until:
            break
        os.pwrite(place, b"%20d" % case, 0)
        how, said = outcome(subject, options.seed, case)
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if counts.total() <= _WARM_CASES:
            base = held
        elif held - base > _MOST_GROWTH:
            how, said, base = "wrong", f"it grew by {held - base} bytes: {said}", held
        counts[how] += 1
        if how == "wrong":
            print(json.dumps({"case": case, "said": said}), flush=True)
    print(json.dumps({"counts": counts, "peak_bytes": held}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
