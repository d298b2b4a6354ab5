"""Texts to ids and back by a tokenizer of whatever folder: where its library fails, the folder is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from errors import CheckpointError
from settings.panics import panics_told
from settings.shown import cut, shown


def token_ids(
    tokenizer: Any, text: str, words: int | None = None, *, special_tokens: bool = False
) -> list[int]:
    """The ids of `text`, one at least. words: how many the model has, where one is asked. special_tokens: with those
    that the tokenizer puts around every text.

    Raises CheckpointError naming the tokenizer's folder and the text, and as `need_known`.
    """
    with _told(tokenizer, f"cannot split {shown(text)}"):
        ids: list[int] = tokenizer(text, add_special_tokens=special_tokens)["input_ids"]
    if not ids:
        raise CheckpointError(f"{_named(tokenizer)} makes no token of {shown(text)}")
    if words is not None:
        need_known(tokenizer, ids, words)
    return ids


def token_text(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text that these ids stand for. Raises CheckpointError naming the tokenizer's folder."""
    with _told(tokenizer, f"cannot tell what the ids {shown(list(ids))} stand for"):
        text: str = tokenizer.decode(list(ids))
    return text


def need_known(tokenizer: Any, ids: Sequence[int | None], words: int) -> None:
    """Raises CheckpointError for an id that is no word of the model: a GPU would end the process for it."""
    for number in ids:
        if number is None or not 0 <= number < words:
            raise CheckpointError(
                f"{_named(tokenizer)} gives the id {number}, and the model has {words} words"
            )


@contextmanager
def _told(tokenizer: Any, fault: str) -> Iterator[None]:
    try:
        with panics_told():
            yield
    except Exception as error:  # tokenizers raises nothing more exact
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{_named(tokenizer)} {fault}: {cut(reason, 300)}") from None


def _named(tokenizer: Any) -> str:
    folder = getattr(tokenizer, "name_or_path", "")
    return f"the tokenizer in {folder}" if folder else "the tokenizer"
