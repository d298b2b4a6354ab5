"""What a folder's `generation_config.json` says of the choice of tokens.

The released servers choose greedily and override what concerns sampling and lengths (ReconVLA's flask_server.py:
do_sample, temperature, top_p, num_beams, max_new_tokens; OpenVLA's predict_action: do_sample, max_new_tokens). Every
other entry counts: transformers' `generate` applies it. Imports no torch: plans hold the rules too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import CheckpointError, ConfigError
from models.json_files import read_json
from models.known_entries import GENERATION, GENERATION_HARMLESS, GENERATION_REFUSED
from models.plain_values import INFINITE, dataclass_from, require
from settings.documents import parse_json
from settings.regular import is_there
from settings.shown import shown

GENERATION_FILE = "generation_config.json"

#: Values that change nothing, of entries that would change it otherwise.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "num_beam_groups": (1,),
    "num_return_sequences": (1,),
    "guidance_scale": (1, 1.0),
    "encoder_repetition_penalty": (1.0,),
    "cache_implementation": (
        "dynamic",
        "static",
        "offloaded",
        "offloaded_static",
        "hybrid",
        "sliding_window",
    ),
}
#: Entries that only some server overrides: of the others these values change nothing.
_OVERRIDABLE: Mapping[str, tuple[Any, ...]] = {"num_beams": (1,), "forced_eos_token_id": ()}

#: What ReconVLA's server overrides beside the above; it stops at 128 tokens, long after the last action.
RECONVLA_OVERRIDES = ("num_beams", "forced_eos_token_id")


@dataclass(frozen=True)
class GenerationRules:
    """Entries under transformers' names. `end_ids` are those of `eos_token_id` where another rule needs them;
    `biased_ids` and `biases` are the pairs of `sequence_bias`."""

    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    bad_words_ids: tuple[tuple[int, ...], ...] = ()
    biased_ids: tuple[tuple[int, ...], ...] = ()
    biases: tuple[float, ...] = field(default=(), metadata=INFINITE)  # -inf: never
    suppress_tokens: tuple[int, ...] = ()
    begin_suppress_tokens: tuple[int, ...] = ()
    min_new_tokens: int = 0
    min_length: int = 0
    end_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require(
            0 < self.repetition_penalty < math.inf,
            "generation.repetition_penalty",
            f"must be a positive number, got {self.repetition_penalty}",
        )
        for name in ("no_repeat_ngram_size", "min_new_tokens", "min_length"):
            require(
                getattr(self, name) >= 0,
                f"generation.{name}",
                f"must not be negative, got {getattr(self, name)}",
            )
        for name in ("bad_words_ids", "biased_ids"):
            rows = getattr(self, name)
            require(all(rows), f"generation.{name}", "holds an empty list of tokens")
        for row in (*self.bad_words_ids, *self.biased_ids, self.suppress_tokens, self.begin_suppress_tokens):
            require(
                all(token >= 0 for token in row), "generation", f"token ids are not negative, got {list(row)}"
            )
        require(
            len(self.biased_ids) == len(self.biases),
            "generation.biases",
            f"must be {len(self.biased_ids)} numbers, got {len(self.biases)}",
        )
        require(
            not any(map(math.isnan, self.biases)),
            "generation.biases",
            f"must be numbers, got {list(self.biases)}",
        )

    def to_official(self) -> dict[str, Any]:
        """Entries of a `generation_config.json`."""
        entries = {name: getattr(self, name) for name in sorted(GENERATION - {"sequence_bias"})}
        told = {name: value for name, value in entries.items() if value != getattr(GenerationRules(), name)}
        if self.biases:
            told["sequence_bias"] = [
                [list(ids), bias] for ids, bias in zip(self.biased_ids, self.biases, strict=True)
            ]
        return told | ({"eos_token_id": list(self.end_ids)} if self.end_ids else {})


def rules_of_folder(
    folder: Path,
    config: Mapping[str, Any],
    actions: range | None,
    overridden: Collection[str] = RECONVLA_OVERRIDES,
) -> GenerationRules | None:
    """The rules of a model's folder; None where the likeliest token is the answer, as it is for most.

    config: its `config.json`, whose entries of these names count where there is no `generation_config.json`, as
    transformers has it. actions: ids of the action tokens, None where they are not known yet. overridden: entries
    that the model's server overrides. Raises CheckpointError naming the file and an entry that is damaged or that
    nothing here computes.
    """
    file = folder / GENERATION_FILE
    if is_there(file):
        values: dict[str, Any] = read_json(file)
    else:
        file = folder / "config.json"
        known = GENERATION | GENERATION_HARMLESS | set(_NEUTRAL) | set(_OVERRIDABLE) | GENERATION_REFUSED
        values = {name: value for name, value in config.items() if name in known}
    for name, value in values.items():
        if not _is_harmless(name, value, overridden):
            raise CheckpointError(
                f"{file}: {name} is {shown(value)}; tokens are chosen greedily here, and nothing computes what this"
                " changes"
            )
    ends = _end_ids(file, values.get("eos_token_id"))
    stopping = [token for token in ends if actions is not None and token in actions]
    if stopping:
        raise CheckpointError(f"{file}: eos_token_id {stopping[0]} is one of the action tokens, {actions}")
    rules = _rules(file, values, ends)
    rows = _vocabulary(config)
    for name in ("bad_words_ids", "biased_ids") if rules is not None and rows is not None else ():
        beyond = [token for row in getattr(rules, name) for token in row if token >= rows]
        if beyond:
            entry = name.replace("biased_ids", "sequence_bias")
            raise CheckpointError(f"{file}: {entry} names token {beyond[0]}, of a vocabulary of {rows}")
    return rules


def _vocabulary(config: Mapping[str, Any]) -> int | None:
    """Entries of a `config.json`: Qwen2's and the official one's, OpenVLA's, ours."""
    for values in (config, config.get("text_config"), config.get("language")):
        if isinstance(values, Mapping) and isinstance(values.get("vocab_size"), int):
            return int(values["vocab_size"])
    return None


def _is_harmless(name: str, value: Any, overridden: Collection[str]) -> bool:
    if name in GENERATION or name in GENERATION_HARMLESS or name in overridden or name.startswith("_"):
        return True
    off = value is None or value is False or value in (0, "", [], {})
    return off or value in (*_NEUTRAL.get(name, ()), *_OVERRIDABLE.get(name, ()))


def _rules(file: Path, values: Mapping[str, Any], ends: tuple[int, ...]) -> GenerationRules | None:
    told = {name: values[name] for name in GENERATION if values.get(name) not in (None, [], {})}
    pairs = _bias_pairs(file, told.pop("sequence_bias", []))
    try:
        rules: GenerationRules = dataclass_from(
            GenerationRules,
            told | {"biased_ids": [ids for ids, _ in pairs], "biases": [bias for _, bias in pairs]},
        )
    except (ConfigError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file}: {str(error).removeprefix('model config field ')}") from None
    if rules == GenerationRules():
        return None
    needs_ends = rules.min_new_tokens or rules.min_length or rules.bad_words_ids
    return dataclasses.replace(rules, end_ids=ends) if needs_ends else rules


def _bias_pairs(file: Path, value: Any) -> list[tuple[list[int], float]]:
    """transformers writes [[ids, bias], ...]; older files a mapping of texts of tuples to biases."""
    try:
        pairs = _of_texts(value) if isinstance(value, Mapping) else value
    except ValueError as error:
        raise CheckpointError(f"{file}: sequence_bias names no token ids: {error}") from None
    if not isinstance(pairs, list) or not all(map(_is_bias_pair, pairs)):
        raise CheckpointError(
            f"{file}: sequence_bias must hold pairs of token ids and a number, got {shown(value)}"
        )
    return [(ids, bias) for ids, bias in pairs]


def _of_texts(biases: Mapping[str, Any]) -> list[Any]:
    return [[parse_json(f"[{ids.strip('()[] ').rstrip(', ')}]"), bias] for ids, bias in biases.items()]


def _is_bias_pair(pair: Any) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], list)
        and pair[0] != []
        and all(type(token) is int for token in pair[0])
        and type(pair[1]) in (int, float)
    )


def _end_ids(file: Path, value: Any) -> tuple[int, ...]:
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if not all(type(token) is int for token in ids):
        raise CheckpointError(f"{file}: eos_token_id must be token ids, got {shown(value)}")
    return tuple(ids)
