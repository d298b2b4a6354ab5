"""The rules of a folder's `generation_config.json`, applied to the logits before the likeliest token is taken.

transformers' own processors do it, in the order in which its `generate` has them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import (
    LogitsProcessor,
    NoBadWordsLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    SuppressTokensLogitsProcessor,
)

from models.generation_rules import GenerationRules


class TokenChoice:
    """Of one batch of answers; without rules it changes nothing.

    prompt_lengths: (B,) positions of the prompts, the picture's included.
    """

    def __init__(self, rules: GenerationRules | None, prompt_lengths: Tensor) -> None:
        self._rules = rules
        self._processors = [] if rules is None else _processors(rules)
        self._last = (
            [] if rules is None or not rules.suppress_tokens else [_suppressing(rules.suppress_tokens)]
        )
        self._lengths = prompt_lengths

    def adjusted(self, logits: Tensor, context: Tensor, step: int) -> Tensor:
        """Logits (B, vocabulary) of token `step` of the answer, from 0. context: (B, t), the ids that `generate`
        sees: those of the answer so far, behind the prompt's where the model is asked with ids and not with states.
        """
        rules = self._rules
        if rules is None:
            return logits
        for processor in self._processors:
            logits = processor(context, logits)
        # transformers takes one or the other.
        least = rules.min_new_tokens or (rules.min_length - self._lengths).clamp_min(0)
        too_early = (torch.as_tensor(least, device=logits.device) > step).expand(len(logits))
        if rules.end_ids and bool(too_early.any()):
            logits = logits.clone()
            for token in rules.end_ids:
                logits[too_early, token : token + 1] = -torch.inf  # none, beyond the vocabulary
        for processor in self._last:
            logits = processor(context, logits)
        if step == 0 and rules.begin_suppress_tokens:
            logits = _suppressing(rules.begin_suppress_tokens)(context, logits)
        return logits


def _processors(rules: GenerationRules) -> list[LogitsProcessor]:
    chosen: list[LogitsProcessor] = []
    if rules.biases:
        pairs: list[Any] = [
            [list(ids), bias] for ids, bias in zip(rules.biased_ids, rules.biases, strict=True)
        ]
        chosen.append(SequenceBiasLogitsProcessor(sequence_bias=pairs))
    if rules.repetition_penalty != 1.0:
        chosen.append(RepetitionPenaltyLogitsProcessor(rules.repetition_penalty))
    if rules.no_repeat_ngram_size:
        chosen.append(NoRepeatNGramLogitsProcessor(rules.no_repeat_ngram_size))
    if rules.bad_words_ids:
        words = [list(ids) for ids in rules.bad_words_ids]
        chosen.append(NoBadWordsLogitsProcessor(words, eos_token_id=list(rules.end_ids) or None))
    return chosen


def _suppressing(tokens: tuple[int, ...]) -> SuppressTokensLogitsProcessor:
    return SuppressTokensLogitsProcessor(list(tokens))
