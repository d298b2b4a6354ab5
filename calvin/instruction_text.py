"""What an instruction is, whoever gives it: a sentence for a robot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from settings.shown import cut, shown

#: A sentence has some tens of characters; a prompt that is too long for a model fails all that is asked with it.
LONGEST_INSTRUCTION = 1000


def fault_of_instruction(given: Any, show: Callable[[Any], str] = shown) -> str | None:
    """What is wrong with it, as the end of a sentence that begins with its place; None where nothing is.

    show: what a message shows of something else.
    """
    if not isinstance(given, str) or not given.strip():
        return f"is {show(given)}, not an instruction"
    if len(given) > LONGEST_INSTRUCTION:
        return f"has {len(given)} characters; at most {LONGEST_INSTRUCTION} are taken"
    try:
        given.encode()
    except UnicodeEncodeError:
        return f"holds half a character: {cut(given)}"
    return None
