#!/usr/bin/env bash
# statsmodels 0.15.0 (scipy 1.17.1, numpy 2.4.6, Python 3.11, Linux).
#
# statsmodels.stats.multitest.multipletests ends with a full garbage collection of the whole process when, and only
# when, its method is Holm's. The correction itself is three lines of numpy; the collection walks every object that the
# program holds. In a process with a million live objects each correction of three p-values takes as long as that walk,
# thousands of times what Bonferroni's takes, and every pause is felt by all threads. Correct many families in one
# process before large libraries are imported, or gc.freeze() what stays.
#
# Seen (full collections while three p-values are corrected once):
#   bonferroni 0, sidak 0, holm-sidak 0, holm 1, simes-hochberg 0, hommel 0, fdr_bh 0, fdr_by 0
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import gc
import sys

from statsmodels.stats.multitest import multipletests

METHODS = ("bonferroni", "sidak", "holm-sidak", "holm", "simes-hochberg", "hommel", "fdr_bh", "fdr_by")
passed = []


def note(phase, told):
    if phase == "start" and told["generation"] == 2:
        passed.append(told)


gc.collect()
gc.disable()  # no other collection is counted
gc.callbacks.append(note)
seen = {}
for method in METHODS:
    passed.clear()
    multipletests([0.01, 0.02, 0.2], method=method)
    seen[method] = len(passed)
print(", ".join(f"{method} {count}" for method, count in seen.items()))
sys.exit(0 if seen == {method: int(method == "holm") for method in METHODS} else 1)
PY
