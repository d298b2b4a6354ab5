"""Write docs/configuration.md from the configuration classes: `python docs/generate_configuration.py`."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from dataclasses import asdict, fields
from pathlib import Path

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = REPOSITORY / "docs" / "configuration.md"

HEAD = """# Configuration reference

Made by `python docs/generate_configuration.py`; do not edit.

A configuration is YAML: a preset ([which there are](../experiments/reconvla/presets)), over it `--config FILE`, over it
`--set key.path=value`, over it options such as `--arms`. Here is every key with its default.

Unknown keys are errors, and so is what can be read in two ways: a key twice in one mapping, two `--set` that give one
key different values, numbers such as `012` and `1:30`, `~` for null, `yes` or `off` where a number is wanted. `1e6` is
a number and `2024-01-01` is text. An alias (`*training`) repeats values: a later `training.steps` leaves the others as
they are. `~/` in front of a folder is the home folder, and `$NAME` or `${{NAME}}` in any path a variable of the
environment, which must be set. Where a name belongs, `123`, `1e3` and `012` are the names that they are written as.

A file may be somebody else's: it has at most {characters:,} characters, {values:,} values with every alias written
out, {levels} levels of lists and mappings, and numbers of {digits} characters. A name has 1 to {longest_name}
characters that can be printed and does for a folder. Whole numbers have an upper bound, and an ablation has at most
{most_jobs:,} jobs.
"""

VARIABLES = {
    "BATON_HOME": "the home folder, where `--home` is not given",
    "BATON_STATE_URL": "the state in PostgreSQL (`postgresql://user:password@host/name`) instead of SQLite in the home",
    "BATON_ARTIFACTS_URL": "artifacts that machines share: `s3://bucket/folder`, or another place that fsspec knows",
    "REDIS_URL": "a Redis to use instead of a private one",
    "BATON_SESSION_DEADLINE": "when this machine goes away (Unix seconds, compared with the clock once, at the start), "
    "where `--session-limit` is not given",
    "BATON_NOTICE_FILE": "a file that appears when this machine is about to go",
    "BATON_NOTICE_URL": "an address that answers when this machine is about to go",
    "BATON_FLOWER_PASSWORD": "the password for Flower instead of one that the home makes",
    "BATON_FLOWER_URL": "where people reach Flower, where `status` cannot know it, and by whose name it answers too; "
    "also `BATON_TENSORBOARD_URL`, `BATON_METRICS_URL` and `BATON_SERVE_URL`",
    "BATON_CALVIN_PYTHON": "the interpreter that imports calvin_env, where nothing else names one",
    "BATON_HUB_CACHE": "where copies of what is on the Hub lie; without it `baton` in the folder of the Hub's own "
    "client (`HF_HOME`). `HF_TOKEN`, `HF_ENDPOINT` and `HF_HUB_OFFLINE` are that client's",
    "BATON_GANG_ADDRESS": "this machine's IPv4 address in a network that only your machines are in: ranks of a "
    "training over several machines listen there ([what](model.md#over-several-machines)); without it this machine is "
    "none of those",
    "BATON_DEVICE": "the device of a `worker` process: `cpu`, or `cuda:0`, which torch must see; without it the GPU "
    "that torch sees, else the processor",
}


ADAPTIVE = """
### `seeds.adaptive`

As many seeds as it takes ([how many seeds](seeds.md#as-many-as-it-takes)), in place of a list:
`seeds: {adaptive: {max: 12, margin: 0.25}}`.
"""

ARMS = """
An arm of your own is what differs, from the settings of the ablation or from another arm (`base`); any setting may, by
`section.key` or nested ([arms](arms.md)):

```yaml
arms:
  baseline: null
  recon: null
  heavy: {base: recon, title: "+ weight 10", set: {training.reconstruction_weight: 10}}
  grounded: {base: recon, set: {gaze.detector: oracle}}
```
"""

POLICIES = """
A row of the table need not be trained here: `arms` may map names to null (an arm above) or to a `policy` with its kind
and what that takes. It is judged once, on the sequences of the ablation; its columns of training stay empty, nothing is
concluded from its difference to an arm. A server answers 5 of CALVIN's relative actions where nothing else is said
(`chunk_steps`, `actions: absolute` for poses in metres and radians); answers that have more or fewer, and actions
beyond CALVIN's largest step, are counted and told in the events. A folder counts by what lies in it, [a class of
yours](own-code.md) by its source, a server by its address: what an address answered in this home is not asked again, so
give another model another one. A password of a server belongs into `~/.netrc`.

```yaml
arms:
  baseline: null
  recon: null
  chance: {policy: {kind: random, seed: 1}}
  expert: {policy: {kind: expert}, title: the scripted expert}
  theirs: {policy: {kind: http, url: "http://127.0.0.1:8000", chunk_steps: 8, actions: absolute}}
  openvla: {policy: {kind: openvla, folder: ~/openvla-7b, statistics: calvin}}   # or hub:owner/name
  earlier: {policy: {kind: folder, folder: ~/reconvla-checkpoint}}
  mine: {policy: {kind: own, class: "my_policy:MyPolicy", options: {speed: 0.3}}}   # own-code.md
```
"""

ELSEWHERE = """
`home.yaml` in the home may hold the keys `database` and `artifacts` with the URLs of `BATON_STATE_URL` and
`BATON_ARTIFACTS_URL`; the variables go before it ([several machines](several-machines.md))."""

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}


def page() -> str:
    """The whole page."""
    if str(REPOSITORY) not in sys.path:
        sys.path.insert(0, str(REPOSITORY))
    from experiments.reconvla.arms import built_in
    from experiments.reconvla.config import AblationConfig
    from experiments.reconvla.count_jobs import MOST_JOBS
    from experiments.reconvla.named_config import PRESETS, preset_names
    from experiments.reconvla.sections import LONGEST_NAME
    from experiments.reconvla.seeds import Adaptive
    from settings.document_limits import LIMITS
    from settings.queue import QueueSettings

    head = HEAD.format(**asdict(LIMITS), longest_name=LONGEST_NAME, most_jobs=MOST_JOBS)
    parts = [head, "## The ablation\n", *_section(AblationConfig, "", {})]
    parts += [ADAPTIVE, *_section(Adaptive, "seeds.adaptive.", {})]
    parts += ["\n## Arms\n", "| name | in the table |", "|---|---|"]
    parts += [f"| `{name}` | {arm.title} |" for name, arm in built_in().items()]
    parts += [ARMS, POLICIES]
    parts += ["\n## Presets\n"]
    for name in preset_names():
        first = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        parts.append(f"* [`{name}`](../experiments/reconvla/presets/{name}.yaml): {first.removeprefix('# ')}")
    parts += ["\n## The queue\n", "Environment variables; none of them changes a result.\n"]
    parts += ["| variable | default | meaning |", "|---|---|---|"]
    comments = _comments(QueueSettings)
    parts += [
        f"| `BATON_QUEUE_{field.name.upper()}` | `{field.default:g}` | {comments.get(field.name, '')} |"
        for field in fields(QueueSettings)
    ]
    parts += ["\n## Other environment variables\n", "| variable | meaning |", "|---|---|"]
    parts += [f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items()]
    parts += [ELSEWHERE]
    return "\n".join(parts) + "\n"


def _section(section: type[BaseModel], path: str, shown: dict[type[BaseModel], str]) -> list[str]:
    """A table of a section's own keys, then its subsections; each kind of section once."""
    rows, below = [], []
    for name, field in section.model_fields.items():
        if field.json_schema_extra:  # what the plan writes
            continue
        inner = _section_type(field)
        if inner is not None:
            default = "" if field.default is not None else " Off unless given."
            heading = f"\n### `{path}{name}`\n\n{_first_paragraph(inner)}{default}"
            if inner in shown:
                below.append(f"{heading} The same keys as `{shown[inner]}`.\n")
                continue
            shown[inner] = f"{path}{name}"
            below += [f"{heading}\n", *_section(inner, f"{path}{name}.", shown)]
        else:
            rows.append(
                f"| `{path}{name}` | `{_default(field)}` | {_type(field.annotation)} | {field.description or ''} |"
            )
    table = ["| key | default | type | |", "|---|---|---|---|", *rows] if rows else []
    return [*table, *below]


def _section_type(field: FieldInfo) -> type[BaseModel] | None:
    candidates = [field.annotation, *typing.get_args(field.annotation)]
    return next((c for c in candidates if inspect.isclass(c) and issubclass(c, BaseModel)), None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return yaml.safe_dump(to_jsonable_python(value), default_flow_style=True, width=1000).split("\n")[0]


def _type(annotation: object) -> str:
    """A type as a person says it."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin is typing.Literal:
        return "one of " + ", ".join(str(value) for value in inner)
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in inner)
    if origin is dict or (inspect.isclass(annotation) and issubclass(annotation, BaseModel)):
        return "mapping"
    return _WORDS[annotation]  # type: ignore[index]


def _first_paragraph(section: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(section) or "").split("\n\n")[0].split())


def _comments(source: type) -> dict[str, str]:
    """The `#:` comment above each field."""
    found, comment = {}, []
    for line in inspect.getsource(source).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            comment.append(text.removeprefix("#:").strip())
        elif match := re.match(r"(\w+): ", text):
            found[match[1]] = " ".join(comment)
            comment = []
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
