"""How to get the same figures again: the command, machines, versions, and digests of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import yaml

from reports.data import ReportData
from reports.section import Part
from reports.summary import Summary
from settings.shown import cut


@dataclass(frozen=True)
class DataSource:
    """What demonstrations were used for one purpose (training, validation, pretraining).

    dataset: the folder's name. scenes: demonstrations by scene, empty where not recorded. renderer: what drew the
    frames, None where nobody knows. not_held_out: of a validation, demonstrations whose frames were trained on too.
    rows: of the table, where not all have the same; empty where they do.
    scenes_seen: of how many the scene was told by their pictures.
    losses: by what pictures lost detail. left_out: what of the dataset was not used, a part of a sentence each.
    """

    purpose: str
    dataset: str
    demonstrations: int
    scenes: Mapping[str, int] = field(default_factory=dict)
    renderer: str | None = None
    not_held_out: int = 0
    rows: tuple[str, ...] = ()
    losses: str | None = None
    left_out: tuple[str, ...] = ()
    scenes_seen: int = 0

    @property
    def told(self) -> str:
        count = f"{self.demonstrations} demonstration{'s' if self.demonstrations != 1 else ''}"
        scenes = ", ".join(f"{count} in {scene}" for scene, count in sorted(self.scenes.items()))
        if self.scenes_seen:
            of = "" if self.scenes_seen == self.demonstrations else f" of {self.scenes_seen}"
            scenes += f" (told by the pictures{of})"
        of_rows = f"of the rows {cut(', '.join(self.rows), 200)}: " if self.rows else ""
        parts = [f"{of_rows}{self.dataset}: {count}", f"drawn by {self.renderer or 'unknown'}"]
        told = ", ".join([parts[0], *([f"scenes: {scenes}"] if scenes else []), parts[1]])
        if self.losses is not None:
            told += f", pictures lost detail to {self.losses}"
        told += "".join(f"; left out: {one}" for one in self.left_out)
        if not self.not_held_out:
            return told
        return (
            f"{told}; frames of {self.not_held_out} of them were trained on too: figures of validation are not of"
            " held-out data"
        )


@dataclass(frozen=True)
class FinalWeights:
    """What a run's training ended with. path: relative to the home."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Environment:
    """data_digests: SHA-256 by what it is of. precision: by kind of job. final_weights: by run. mixed: a sentence for
    each job whose steps were computed on machines, or by versions, that differ. rows: in what each differs from the
    settings of all, by setting. instructions: what policies were told, where it is not Baton's own. configuration: all
    settings, as they are submitted with --config.
    """

    command: str = ""
    hardware: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    threads: str = ""
    precision: str = ""
    simulator: str = ""
    data_digests: Mapping[str, str] = field(default_factory=dict)
    final_weights: Mapping[str, FinalWeights] = field(default_factory=dict)
    mixed: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    instructions: str = ""
    machines: str = ""
    duration: str = ""
    configuration: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Reproduction(Part):
    """The environment, and what demonstrations were used."""

    template = "reports.parts/reproduction.html"

    environment: Environment = field(default_factory=Environment)
    sources: tuple[DataSource, ...] = ()

    def view(self, data: ReportData, summary: Summary) -> Mapping[str, object]:
        rows = [
            ("ablation", data.ablation_id),
            ("seeds", ", ".join(map(str, sorted({run.seed for run in data.runs})))),
            ("machines", self.environment.machines),
            ("hardware", self.environment.hardware),
            ("duration", self.environment.duration),
            ("threads", self.environment.threads),
            ("precision", self.environment.precision),
            ("simulator", self.environment.simulator),
            ("instructions", self.environment.instructions),
        ]
        rows += [(f"row {row}", _differs(settings)) for row, settings in self.environment.rows.items()]
        rows += [("not one environment", sentence) for sentence in self.environment.mixed]
        rows += [(f"data of {source.purpose}", source.told) for source in self.sources]
        rows += sorted(self.environment.versions.items())
        rows += sorted(self.environment.data_digests.items())
        rows += [
            (f"weights of {run}", f"{weights.path} (SHA-256 {weights.sha256})")
            for run, weights in self.environment.final_weights.items()
        ]
        command = self.environment.command
        if command.startswith("cli.py"):
            command = f"python {command}"
        settings = dict(self.environment.configuration)
        return {
            "command": command,
            "rows": [(name, value) for name, value in rows if value],
            "configuration": yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
            if settings
            else "",
        }

    def document(self) -> Mapping[str, object]:
        return {
            "data": [_source(source) for source in self.sources],
            "environment": {
                "command": self.environment.command,
                "hardware": self.environment.hardware,
                "threads": self.environment.threads,
                "precision": self.environment.precision,
                "simulator": self.environment.simulator,
                "versions": dict(self.environment.versions),
                "data_digests": dict(self.environment.data_digests),
                "final_weights": {run: asdict(of) for run, of in self.environment.final_weights.items()},
                "mixed": list(self.environment.mixed),
                "rows": {row: dict(settings) for row, settings in self.environment.rows.items()},
                "instructions": self.environment.instructions,
                "machines": self.environment.machines,
                "duration": self.environment.duration,
                "configuration": dict(self.environment.configuration),
            },
        }


def _differs(settings: Mapping[str, object]) -> str:
    told = (
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in settings.items()
    )
    return ", ".join(told) or "the settings of the ablation"


def _source(source: DataSource) -> Mapping[str, object]:
    """What is the exception only where it is so."""
    values = asdict(source)
    exceptions = ("not_held_out", "rows", "losses", "left_out", "scenes_seen")
    return {name: value for name, value in values.items() if value or name not in exceptions}
