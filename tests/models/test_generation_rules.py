"""`generation_config.json` as the official server has it applied: against transformers' own `generate`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from errors import CheckpointError
from models.batches import Sample, collate
from models.config import ReconVLAConfig
from models.generation import generate_actions, greedy_tokens, prompt_batch
from models.generation_rules import GENERATION_FILE, GenerationRules, rules_of_folder
from models.known_entries import GENERATION, GENERATION_HARMLESS, GENERATION_REFUSED
from models.reconvla import ReconVLA
from models.token_choice import TokenChoice

COUNT = 12
#: Of the model with a window, before two logits are alike to the last bit.
SURE = 9
#: What the released server passes to `generate`, but for the number of tokens.
SERVER = {"do_sample": False, "temperature": 0.0, "top_p": None, "num_beams": 1, "use_cache": True}


def rules_from(folder: Path, entries: dict[str, Any]) -> Any:
    (folder / GENERATION_FILE).write_text(json.dumps(entries))
    return rules_of_folder(folder, {}, range(244, 500))


def lively(config: ReconVLAConfig) -> ReconVLA:
    """A model whose answers repeat themselves and are told apart by their prompts."""
    torch.manual_seed(1)
    model = ReconVLA(config, seed=5).eval()
    with torch.no_grad():
        for parameter in model.language_model.parameters():
            parameter *= 2
    return model


def theirs(model: ReconVLA, sample: Sample, rules: GenerationConfig) -> list[int]:
    batch = collate([sample], model.config, 0)
    embeddings = model.embed(batch.input_ids, batch.images)
    with torch.inference_mode():
        found = model.language_model.generate(
            inputs_embeds=embeddings, generation_config=rules, max_new_tokens=COUNT, **SERVER
        )
    return [int(token) for token in found[0]]


@pytest.fixture
def prompted(samples: list[Sample]) -> list[Sample]:
    """Three prompts of different lengths, without their answers."""
    shown = [np.flatnonzero(sample.labels >= 0)[0] for sample in samples[:3]]
    return [
        dataclasses.replace(s, input_ids=s.input_ids[:end], labels=s.labels[:end], target=None)
        for s, end in zip(samples, shown, strict=False)
    ]


def answers(model: ReconVLA, samples: list[Sample]) -> np.ndarray:
    return greedy_tokens(model, collate(samples, model.config, 0), COUNT)


@pytest.fixture
def first_choice(config: ReconVLAConfig, prompted: list[Sample]) -> np.ndarray:
    return answers(lively(config), prompted)


def made_of(first: np.ndarray, name: str) -> dict[str, Any]:
    one, two = int(first[0, 0]), int(first[1, 1])
    return {
        "repetition_penalty": {"repetition_penalty": 1.7},
        "below 1": {"repetition_penalty": 0.5},
        "no_repeat_ngram_size": {"no_repeat_ngram_size": 1},
        "bad_words_ids": {"bad_words_ids": [[one], [int(first[1, 0]), two]], "eos_token_id": one},
        "sequence_bias": {"sequence_bias": [[[one], -30.0], [[int(first[1, 0]), two], -40.0]]},
        "suppress_tokens": {"suppress_tokens": [one, two]},
        "begin_suppress_tokens": {"begin_suppress_tokens": sorted({int(token) for token in first[:, 0]})},
        "min_new_tokens": {"min_new_tokens": 4, "eos_token_id": [one, two]},
        "min_length": {"min_length": 40, "eos_token_id": [one, two]},
        "several": {"repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "suppress_tokens": [one]},
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "repetition_penalty", "below 1", "no_repeat_ngram_size", "bad_words_ids", "sequence_bias", "suppress_tokens",
        "begin_suppress_tokens", "min_new_tokens", "min_length", "several",
    ],
)  # fmt: skip
def test_tokens_are_those_that_generate_chooses(
    config: ReconVLAConfig, prompted: list[Sample], first_choice: np.ndarray, tmp_path: Path, name: str
) -> None:
    entries = made_of(first_choice, name)
    rules = rules_from(tmp_path, entries)
    model = lively(dataclasses.replace(config, generation=rules))
    ours = answers(model, prompted)
    own = GenerationConfig.from_pretrained(tmp_path)
    for row, sample in enumerate(prompted):
        expected = theirs(model, sample, own)  # ends with the first end of an answer
        assert list(ours[row][: len(expected)]) == expected
    free = name in ("below 1", "min_length")
    assert free or not np.array_equal(ours, first_choice), "the rule changes nothing, so this shows nothing"


def test_most_folders_have_no_rules(tmp_path: Path) -> None:
    """Entries of Qwen2's own file, and what sampling and beams would take."""
    qwen = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.0,
            "eos_token_id": [151645, 151643], "bos_token_id": 151643, "pad_token_id": 151643,
            "max_new_tokens": 2048, "num_beams": 4, "length_penalty": 0.5}  # fmt: skip
    assert rules_from(tmp_path, qwen) is None
    assert rules_of_folder(tmp_path / "nowhere", {"hidden_size": 3, "max_length": 20}, None) is None


def test_without_the_file_the_models_own_configuration_counts(tmp_path: Path) -> None:
    rules = rules_of_folder(tmp_path, {"repetition_penalty": 1.1, "num_beams": 1}, None)
    assert rules is not None and rules.repetition_penalty == 1.1
    (tmp_path / GENERATION_FILE).write_text("{}")
    assert rules_of_folder(tmp_path, {"repetition_penalty": 1.1}, None) is None
    with pytest.raises(CheckpointError, match=r"config\.json: penalty_alpha is 0\.6"):
        rules_of_folder(tmp_path / "other", {"penalty_alpha": 0.6}, None)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"penalty_alpha": 0.6}, "penalty_alpha is 0.6"),
        ({"guidance_scale": 1.5}, "guidance_scale is 1.5"),
        ({"forced_bos_token_id": 3}, "forced_bos_token_id is 3"),
        ({"exponential_decay_length_penalty": [3, 1.1]}, "exponential_decay_length_penalty is"),
        ({"watermarking_config": {"bias": 2.0}}, "watermarking_config is"),
        ({"num_return_sequences": 2}, "num_return_sequences is 2"),
        ({"stop_strings": ["."]}, "stop_strings is"),
        ({"encoder_repetition_penalty": 1.2}, "encoder_repetition_penalty is 1.2"),
        ({"cache_implementation": "quantized"}, "cache_implementation is 'quantized'"),
        ({"something_new": 4}, "something_new is 4"),
        ({"eos_token_id": 300}, "eos_token_id 300 is one of the action tokens"),
        ({"eos_token_id": "</s>"}, "eos_token_id must be token ids"),
        ({"repetition_penalty": 0.0}, "generation.repetition_penalty"),
        ({"repetition_penalty": "1.1"}, "repetition_penalty: must be float"),
        ({"bad_words_ids": [[]]}, "bad_words_ids"),
        ({"suppress_tokens": 5}, "suppress_tokens: must be a list"),
    ],
)  # fmt: skip
def test_what_nothing_computes_is_refused_by_name(tmp_path: Path, entries: dict[str, Any], said: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        rules_from(tmp_path, entries)
    assert str(caught.value).startswith(f"{tmp_path / GENERATION_FILE}") and said in str(caught.value)


@pytest.mark.parametrize(
    "config", [{"vocab_size": 50}, {"text_config": {"vocab_size": 50}}, {"language": {"vocab_size": 50}}]
)
@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"bad_words_ids": [[3, 60]]}, "bad_words_ids names token 60, of a vocabulary of 50"),
        ({"sequence_bias": [[[60], 1.0]]}, "sequence_bias names token 60, of a vocabulary of 50"),
        ({"sequence_bias": [[[3], float("nan")]]}, "generation.biases: must be numbers"),
    ],
)
def test_rules_that_no_logits_can_follow_are_refused(
    tmp_path: Path, entries: dict[str, Any], said: str, config: dict[str, Any]
) -> None:
    (tmp_path / GENERATION_FILE).write_text(json.dumps(entries))
    with pytest.raises(CheckpointError, match=said):
        rules_of_folder(tmp_path, config, None)


def test_a_bias_may_forbid_a_token(tmp_path: Path) -> None:
    (tmp_path / GENERATION_FILE).write_text(json.dumps({"sequence_bias": [[[3], float("-inf")]]}))
    assert rules_of_folder(tmp_path, {"vocab_size": 50}, None).biases == (float("-inf"),)


def test_an_end_beyond_the_vocabulary_is_never_chosen_anyway() -> None:
    rules = GenerationRules(min_new_tokens=2, end_ids=(1, 60))
    logits = TokenChoice(rules, torch.tensor([4])).adjusted(
        torch.zeros(1, 50), torch.zeros(1, 0, dtype=torch.int64), 0
    )
    assert logits.isneginf().nonzero().tolist() == [[0, 1]]


def test_arguments_of_loading_that_were_saved_with_it_change_nothing(tmp_path: Path) -> None:
    """transformers keeps what `from_pretrained` was called with."""
    entries = {"attn_implementation": "flash_attention_2", "torch_dtype": "bfloat16", "eos_token_id": 151645}
    assert rules_from(tmp_path, entries) is None


def test_what_a_server_does_not_override_is_refused(tmp_path: Path) -> None:
    (tmp_path / GENERATION_FILE).write_text('{"num_beams": 3}')
    assert rules_of_folder(tmp_path, {}, None) is None
    with pytest.raises(CheckpointError, match="num_beams is 3"):
        rules_of_folder(tmp_path, {}, None, overridden=())


def test_every_entry_that_transformers_knows_is_in_a_table() -> None:
    known = GENERATION | GENERATION_HARMLESS | GENERATION_REFUSED
    others = {"num_beams", "num_beam_groups", "num_return_sequences", "guidance_scale", "encoder_repetition_penalty",
              "cache_implementation", "forced_eos_token_id"}  # fmt: skip
    late = {
        "assistant_ensemble_weight",
        "continuous_batching_config",
        "speculation_type",
        "use_mtp",
    }  # refused
    assert {name for name in vars(GenerationConfig()) if not name.startswith("_")} <= known | others | late


def test_rules_hold_for_action_tokens_alone_too(
    config: ReconVLAConfig, prompted: list[Sample], tmp_path: Path
) -> None:
    rules = rules_from(tmp_path, {"no_repeat_ngram_size": 1})
    model = lively(dataclasses.replace(config, generation=rules))
    ids = [sample.input_ids for sample in prompted]
    chunks = generate_actions(model, [s.image for s in prompted], ids, constrained=True)
    assert chunks.outside.sum() == 0
    assert all(len(set(row)) == len(row) for row in chunks.token_ids)


def test_a_window_counts_positions_of_the_answer_whatever_padding_lies_before(
    config: ReconVLAConfig, prompted: list[Sample]
) -> None:
    language = dataclasses.replace(
        config.language, sliding_window=6, layer_kinds=("sliding_attention", "full_attention")
    )
    model = lively(dataclasses.replace(config, language=language))
    batch = collate(prompted, model.config, 0, length=64)
    ours = greedy_tokens(model, batch, SURE)
    own = GenerationConfig()
    assert [list(row) for row in ours] == [theirs(model, sample, own)[:SURE] for sample in prompted]
    plain = lively(config)
    assert not np.array_equal(ours, greedy_tokens(plain, batch, SURE))
    shorter = prompt_batch(model, [s.image for s in prompted], [s.input_ids for s in prompted])
    assert np.array_equal(ours, greedy_tokens(model, shorter, SURE))
