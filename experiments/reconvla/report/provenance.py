"""What a report says on how to get the same figures again: machines, versions and digests of the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from db.states import SUCCEEDED
from errors import ConfigError
from experiments.reconvla.arms import arms_of
from experiments.reconvla.config import AblationConfig
from experiments.reconvla.report.corpora import Corpora
from experiments.reconvla.report.renderer import frames_told, simulators_told
from reports.numbers import duration
from reports.parts.reproduction import Environment, FinalWeights
from settings.arithmetic import FIXED_VARIABLES
from settings.json_values import JsonObject, section, whole
from settings.machine import ABSENT
from settings.shown import cut
from tasks.kind import decides
from tasks.records import AttemptRecord, JobRecord, Records, told
from tasks.registry import PRETRAIN, TRAIN, kind_named
from tasks.specs import ClosedLoopSpec, IndexSpec, IngestSpec, OpenLoopSpec, TrainSpec

_MOST_HOSTS = 20

#: Entries of an attempt's environment that the report does not list as versions.
_NOT_VERSIONS = frozenset(
    {
        "device",
        "processor",
        "cores",
        "memory_gib",
        "gpu",
        "gpus",
        "threads",
        "body",
        "variables",
        "instructions",
    }
)


#: What an attempt has where it is more than 1, and the kinds of jobs that may have it.
_SAID_OF_SEVERAL = frozenset({"ranks", "nodes"})
_TRAINED = frozenset({TRAIN.name, PRETRAIN.name})


def report_environment(records: Records, corpora: Corpora) -> Environment:
    """What earlier versions did not record is left out."""
    jobs, attempts = records.jobs, records.attempts
    known = [attempt.environment for attempt in attempts if attempt.environment]
    versions: dict[str, set[str]] = {}
    for environment in known:
        for name, value in environment.items():
            if name not in _NOT_VERSIONS and value != ABSENT:
                versions.setdefault(name, set()).add(str(value))
    trained = [
        attempt.environment for attempt in attempts if attempt.environment and attempt.kind in _TRAINED
    ]
    for name in _SAID_OF_SEVERAL & versions.keys():
        versions[name] |= {"1" for environment in trained if name not in environment}
    told = {
        name: " and ".join(sorted(values, key=_by_number if name in _SAID_OF_SEVERAL else None))
        for name, values in sorted(versions.items())
    }
    told |= {"variables": words} if (words := _variables(known)) else {}
    bodies = _bodies(attempts)
    return Environment(
        command=records.ablation.command,
        hardware=_hardware(attempts),
        versions={**told, **({"body": bodies} if bodies else {})},
        threads=" or ".join(map(str, sorted(_wholes(known, "threads")))),
        precision=_precisions(jobs),
        simulator=_simulator(jobs),
        data_digests={**_demonstrations(jobs, corpora), **_indexes(records, corpora)},
        final_weights=_final_weights(records),
        mixed=tuple(_mixed(jobs, attempts)),
        rows=_rows(records.ablation.config),
        instructions=_instructions(jobs),
        machines=_machines(attempts),
        duration=_duration(attempts),
        configuration=records.ablation.config,
    )


def _by_number(value: str) -> tuple[int, str]:
    return len(value), value


def _rows(settings: JsonObject) -> dict[str, dict[str, object]]:
    """What each row says otherwise than all; nothing for settings of another build."""
    try:
        config = AblationConfig.model_validate(settings)
        return {arm.name: dict(arm.differs) for arm in arms_of(config)} | {
            name: dict(row.policy) for name, row in config.policies.items()
        }
    except (ConfigError, ValidationError):
        return {}


def _instructions(jobs: Sequence[JobRecord]) -> str:
    """Of what policies were told from a file; empty where that were Baton's own phrases."""
    files = {
        json.dumps(dict(spec.instructions), sort_keys=True, ensure_ascii=False)
        for _, spec in told(jobs, ClosedLoopSpec)
        if spec.instructions is not None
    }
    return ", ".join(
        f"{cut(next(iter(json.loads(phrases).values()), ''), 60)} and {len(json.loads(phrases)) - 1} more "
        f"(SHA-256 {hashlib.sha256(phrases.encode()).hexdigest()})"
        for phrases in sorted(files)
    )


def _final_weights(records: Records) -> dict[str, FinalWeights]:
    """By run, of those whose training has ended."""
    ended = {row.id: row for row, _ in told(records.jobs, TrainSpec) if row.state == SUCCEEDED}
    return {
        f"{run.arm} seed {run.seed}": FinalWeights(artifact.path, artifact.sha256)
        for run in records.runs
        if run.train_job_id in ended
        for artifact in records.artifacts_of(ended[run.train_job_id])
        if artifact.final
    }


def _mixed(jobs: Sequence[JobRecord], attempts: Sequence[AttemptRecord]) -> Iterator[str]:
    """A sentence for each job whose steps are of attempts that differ in what decides results."""
    of_jobs: dict[int, list[JsonObject]] = {}
    for attempt in attempts:
        moved = attempt.outcome == SUCCEEDED or (attempt.step_to or 0) > attempt.step_from
        if attempt.environment and moved:
            of_jobs.setdefault(attempt.job_id, []).append(attempt.environment)
    by_id = {row.id: row for row in jobs}
    for job_id, environments in of_jobs.items():
        row, told = by_id[job_id], []
        for name in sorted({name for environment in environments for name in environment}):
            if name != "threads" and not decides(name, kind_named(row.kind), row.spec):
                continue
            alone = {"ranks": 1}  # said of several only
            told_of = [{**alone, **e} for e in environments]
            values = dict.fromkeys(str(e[name]) for e in told_of if name in e)
            if len(values) > 1:
                told.append(f"{name} {', then '.join(values)}")
        if told:
            yield f"{row.label}: {'; '.join(told)}"


def _variables(environments: Sequence[JsonObject]) -> str:
    """Environment variables that decide arithmetic, beside those that every process of Baton has."""
    found = {
        f"{name}={text}"
        for environment in environments
        for name, text in section(environment, "variables").items()
        if FIXED_VARIABLES.get(name) != text
    }
    return ", ".join(sorted(found))


def _simulator(jobs: Sequence[JobRecord]) -> str:
    """What the evaluation was simulated with, and what drew the frames of the training."""
    simulator, frames = simulators_told(jobs), frames_told(jobs)
    return "; ".join([simulator, *([f"training frames: {frames}"] if frames else [])]) if simulator else ""


def _bodies(attempts: Sequence[AttemptRecord]) -> str:
    """Version of the code that did each kind of job: `gaze 3, train 1`."""
    of_kinds: dict[str, set[int]] = {}
    for attempt in attempts:
        if attempt.environment and (body := whole(attempt.environment, "body")) is not None:
            of_kinds.setdefault(attempt.kind, set()).add(body)
    return ", ".join(
        f"{kind} {' and '.join(map(str, sorted(found)))}" for kind, found in sorted(of_kinds.items())
    )


def _precisions(jobs: Sequence[JobRecord]) -> str:
    """What models were trained and judged in, as planned: `train fp16 with LoRA in 4 bits, evaluate 4bit`."""
    of_kinds: dict[str, set[str]] = {}
    for row in jobs:
        spec = row.spec
        if isinstance(spec, TrainSpec):
            lora = spec.training.lora
            adapters = "" if lora is None else f" with LoRA{' in 4 bits' if lora.four_bit else ''}"
            of_kinds.setdefault(row.kind, set()).add(spec.training.precision + adapters)
        elif isinstance(spec, OpenLoopSpec) or (isinstance(spec, ClosedLoopSpec) and spec.policy != "random"):
            of_kinds.setdefault(row.kind, set()).add(spec.precision)
    return ", ".join(f"{kind} {' and '.join(sorted(found))}" for kind, found in sorted(of_kinds.items()))


def _hardware(attempts: Sequence[AttemptRecord]) -> str:
    """GPUs that attempts ran on, counted over all hosts, and processors with their cores and memory."""
    gpus: dict[str, dict[tuple[str, str], int]] = {}
    processors: dict[str, None] = {}
    for attempt in attempts:
        environment = attempt.environment
        if not environment:
            continue
        if environment["gpu"]:
            seen = gpus.setdefault(str(environment["gpu"]), {})
            place = (attempt.host, str(environment["device"]))
            seen[place] = max(seen.get(place, 0), whole(environment, "gpus") or 1)
        processors[_processor(environment)] = None
    counted = [f"{sum(seen.values())} x {name}" for name, seen in sorted(gpus.items())]
    return "; ".join([*counted, *sorted(processors)])


def _machines(attempts: Sequence[AttemptRecord]) -> str:
    """How many, and what they call themselves."""
    hosts = list(dict.fromkeys(attempt.host for attempt in attempts))
    some = ", ".join(cut(host, 60) for host in hosts[:_MOST_HOSTS])
    return f"{len(hosts)}: {some}{', ...' if len(hosts) > _MOST_HOSTS else ''}" if hosts else ""


def _duration(attempts: Sequence[AttemptRecord]) -> str:
    """From the first attempt to the last that has ended, by the clocks of the machines; empty where these disagree."""
    ends = [attempt.ended_at for attempt in attempts if attempt.ended_at is not None]
    took = max(ends) - min(attempt.started_at for attempt in attempts) if ends else -1.0
    return f"{duration(took)} from the first job to the last" if took >= 0.0 else ""


def _wholes(environments: Sequence[JsonObject], name: str) -> set[int]:
    found = (whole(environment, name) for environment in environments)
    return {value for value in found if value is not None}


def _processor(environment: JsonObject) -> str:
    if "cores" not in environment:
        return str(environment["processor"])
    cores = "1 core" if environment["cores"] == 1 else f"{environment['cores']} cores"
    return f"{environment['processor']}, {cores}, {environment['memory_gib']} GiB"


def _demonstrations(jobs: Sequence[JobRecord], corpora: Corpora) -> dict[str, str]:
    """By purpose the SHA-256 over what identifies each demonstration (`Corpus.identity` of demonstrations)."""
    identities: dict[str, dict[int, str]] = {}
    for row, spec in told(jobs, IngestSpec):
        for purpose in _named_purposes(row, corpora):
            of_split = identities.setdefault(purpose, {})
            for entry, identity in zip(spec.demonstrations, spec.identity, strict=True):
                of_split[entry.number] = identity
    return {
        f"demonstrations {split}": hashlib.sha256(
            "\n".join(of_split[number] for number in sorted(of_split)).encode()
        ).hexdigest()
        for split, of_split in sorted(identities.items())
    }


def _indexes(records: Records, corpora: Corpora) -> dict[str, str]:
    """SHA-256 of each index that has been made: what was trained and judged on, gaze regions included."""
    return {
        f"index {purpose}": artifact.sha256
        for row, _ in told(records.jobs, IndexSpec)
        if row.state == SUCCEEDED
        for artifact in records.artifacts_of(row)
        for purpose in _named_purposes(row, corpora)
    }


def _named_purposes(row: JobRecord, corpora: Corpora) -> Iterator[str]:
    """What an ingest or index job is for, with the rows of the table where not all have the same."""
    for purpose in corpora.purposes_of(row):
        variants = corpora.variants(purpose)
        if len(variants) < 2:
            yield purpose
        for variant in variants:
            if len(variants) > 1 and row.id in variant.jobs:
                yield f"{purpose} of {cut(', '.join(variant.rows), 200)}"
