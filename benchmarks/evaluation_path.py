"""How many files lie between a command and the first action of its policy: those that one has to know of.

    python -m benchmarks.evaluation_path

In this build and in an older one: `baton evaluate random` until the policy is first asked. Files of Baton are counted
that are on the stack at some moment from the first line of the command's file to there, but `errors` and `settings`:
because a function of theirs runs, or because they are imported (`on_the_stack`); the same without imports (`called`);
and those on the stack in the moment the policy is asked (`under_the_action`). Those of the world that is simulated
(`simulators`, `calvin`, `benchmark`) are the same whatever evaluates in it, so `share`, new to old, is of the others on
the stack.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.builds import ROOT, older_tree, said_in
from benchmarks.machine import describe

#: Before policies were a package, and evaluation was one loop.
OLD = "753aa3a"

_RESULT = Path(__file__).parent / "results" / "evaluation_path.json"
_WORLD = ("simulators/", "calvin/", "benchmark/")

_FOLLOW = """
import json, os, sys

tree = os.getcwd() + os.sep
began, walked, called, met = False, set(), set(), set()

def ours(code):
    name = code.co_filename.removeprefix(tree)
    return None if name == code.co_filename or name.startswith(".") else name  # not of .venv

def follow(frame, event, _):
    global began
    code = frame.f_code
    if event != "call" or code in walked or (file := ours(code)) is None:
        return
    began = began or file == "commands/evaluate.py"
    if not began:
        return
    met.add(file)
    stack, above = [], frame
    while above is not None:
        stack.append(above.f_code)
        above = above.f_back
    if not any(one.co_name == "<module>" and one.co_filename != tree + "cli.py" for one in stack if ours(one)):
        walked.add(code)
        called.add(file)
    if code.co_name == "act":
        sys.setprofile(None)
        under = {name for name in map(ours, stack) if name not in (None, "cli.py")}
        figure = {"on_the_stack": sorted(met), "called": sorted(called), "under_the_action": sorted(under)}
        print("figure " + json.dumps(figure), flush=True)
        os._exit(0)

import cli

sys.setprofile(follow)
cli.main(["evaluate", "random", "--sequences", "1", "--max-steps", "1", "--simulators", "1"])
"""


def measure(tree: Path) -> dict[str, Any]:
    """By moment: `files` that are counted, and how many of them are of the simulated `world`."""
    found: dict[str, list[str]] = json.loads(said_in(tree, _FOLLOW))
    return {moment: _counted(files) for moment, files in found.items()}


def _counted(files: list[str]) -> dict[str, Any]:
    names = [name for name in files if name != "errors.py" and not name.startswith("settings/")]
    world = [name for name in names if name.startswith(_WORLD)]
    return {"files": len(names), "world": len(world), "names": names}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", default=OLD, help="commit to compare with")
    parser.add_argument("--out", type=Path, default=_RESULT)
    options = parser.parse_args()
    with older_tree(options.old) as old:
        builds = {"old": measure(old), "new": measure(ROOT)}
    others = {
        side: told["on_the_stack"]["files"] - told["on_the_stack"]["world"] for side, told in builds.items()
    }
    share = others["new"] / others["old"]
    document = {"old": options.old, "share": round(share, 3), "builds": builds, "machine": describe()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for moment in builds["new"]:
        told = (
            f"{builds[side][moment]['files']} ({builds[side][moment]['world']} of the world)"
            for side in builds
        )
        print(f"{moment:<17}", " -> ".join(told))
    print(f"share {share:.2f}")


if __name__ == "__main__":
    main()
