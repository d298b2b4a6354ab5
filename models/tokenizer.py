"""Tokenizers: for the toy a word-level one grown from instructions, for the rest a pretrained one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from errors import CheckpointError, InvalidInput, WeightsMissing
from models.json_files import read_json
from models.part_configs import ACTION_BINS
from models.prompt import BEFORE_ANSWER, BEFORE_INSTRUCTION, END_OF_ANSWER
from settings.faults import need_fact
from settings.panics import panics_told
from settings.regular import is_there, need_regular_files, read_text
from settings.shown import first_line, shown

_CONFIG, _WHOLE, _MERGES = "tokenizer_config.json", "tokenizer.json", "merges.txt"
_READ_BY_LIBRARIES = ("*.json", "*.txt", "*.model", "*.jinja")
PAD, UNKNOWN, NEWLINE = "<|pad|>", "<|unknown|>", "\n"
#: Segments that every prompt shares cost the toy one token each, where Qwen2 spends about thirty.
_FIXED = (PAD, UNKNOWN, END_OF_ANSWER, NEWLINE, BEFORE_INSTRUCTION, BEFORE_ANSWER)


def build_word_tokenizer(instructions: Iterable[str]) -> PreTrainedTokenizerFast:
    """One id per word of `instructions` (sorted, lower case); the last 256 ids are the action tokens.

    Words never seen become UNKNOWN. Raises InvalidInput when there are no words.
    """
    words = sorted({word for text in instructions for word in text.lower().split()})
    if not words:
        raise InvalidInput("no instruction holds a word, so there is no vocabulary to build")
    actions = [f"<|action_{index}|>" for index in range(ACTION_BINS)]
    vocabulary = {token: index for index, token in enumerate([*_FIXED, *words, *actions])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in _FIXED])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END_OF_ANSWER
    )


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer saved in `folder`; never asks the network.

    A `tokenizer.json` is taken as it stands, whatever class `tokenizer_config.json` names: transformers 5 builds some
    classes (Qwen2's, Llama's, BERT's) anew from the vocabulary in it and leaves its normaliser and its way to split
    texts, which the folder may have adapted. Raises WeightsMissing when there is none, CheckpointError for files that
    cannot be read, contradict each other, or put tokens around every text.
    """
    if not is_there(folder / _CONFIG):
        raise WeightsMissing(f"{folder} holds no tokenizer ({_CONFIG}); copy the model's folder there")
    as_it_stands = is_there(folder / _WHOLE)
    need_regular_files(folder, CheckpointError, _READ_BY_LIBRARIES)
    try:
        kind: Any = PreTrainedTokenizerFast if as_it_stands else AutoTokenizer
        with panics_told():
            tokenizer = kind.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises nothing more exact
        need_fact(error)
        raise CheckpointError(f"the tokenizer in {folder} cannot be loaded: {first_line(error)}") from None
    if as_it_stands:
        _check_same_words(folder, tokenizer)
    return tokenizer


def _check_same_words(folder: Path, tokenizer: Any) -> None:
    """Files that the official servers' slow tokenizer reads must number words, and join them, as `tokenizer.json` does.

    Raises CheckpointError, also for a tokenizer that leaves out merges by chance (BPE dropout): an instruction would
    have other ids each time.
    """
    whole = folder / _WHOLE
    model = read_json(whole).get("model")
    model = model if isinstance(model, dict) else {}
    if model.get("dropout"):
        raise CheckpointError(
            f"{whole}: model.dropout is {shown(model['dropout'])}, which splits a text in another way each time it is"
            " read; set it to null"
        )
    numbers = tokenizer.get_vocab()
    for name, words in _other_words(folder):
        for word, number in words.items():
            if numbers.get(word) != number:
                raise CheckpointError(
                    f"{folder / name} gives {shown(word)} the id {shown(number)}, {whole} gives it"
                    f" {shown(numbers.get(word))}: one of the two is another model's"
                )
    if is_there(folder / _MERGES) and isinstance(model.get("merges"), list):
        _check_same_merges(folder, [m if isinstance(m, str) else " ".join(m) for m in model["merges"]])


def _other_words(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Files beside `tokenizer.json` that number words too, and what they say."""
    for name in ("vocab.json", "added_tokens.json"):
        if is_there(folder / name):
            yield name, read_json(folder / name)
    added = read_json(folder / _CONFIG).get("added_tokens_decoder")
    if isinstance(added, dict):
        words = {
            str(about.get("content")): number for number, about in added.items() if isinstance(about, dict)
        }
        yield (
            _CONFIG,
            {
                word: int(number) if number.isdecimal() and len(number) < 10 else number
                for word, number in words.items()
            },
        )


def _check_same_merges(folder: Path, merges: list[str]) -> None:
    text = read_text(folder / _MERGES, errors="replace")
    others = [line for line in text.split("\n") if line and not line.startswith("#version")]
    for rank, (own, other) in enumerate(zip_longest(merges, others)):
        if own != other:
            raise CheckpointError(
                f"{folder / _MERGES} has {shown(other)} as merge {rank}, {folder / _WHOLE} has {shown(own)}: one of the"
                " two is another model's"
            )


def pad_id(tokenizer: Any) -> int:
    """Id that fills up shorter sequences; any id does, as padding is masked."""
    padding = tokenizer.pad_token_id
    return int(tokenizer.convert_tokens_to_ids(END_OF_ANSWER) if padding is None else padding)
