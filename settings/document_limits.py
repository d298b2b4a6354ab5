"""How large a YAML or JSON document may be, so that reading it takes little time and memory whatever is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml


@dataclass(frozen=True)
class Limits:
    """Characters of the text (YAML), values with every alias written out (YAML), levels of lists and mappings in each
    other, characters of one number.
    """

    characters: int = 1_000_000
    values: int = 20_000
    levels: int = 100
    digits: int = 100


LIMITS = Limits()


def check_expanded(root: yaml.Node, fail: Callable[[yaml.Node, str], Exception], limits: Limits) -> None:
    """Raises `fail` where the document with every alias written out has more values or levels than `limits`, has no
    end, or has a number of more digits.
    """
    import yaml

    known: dict[int, tuple[int, int]] = {}  # values and levels of what a node stands for
    within: set[int] = set()
    waiting: list[tuple[yaml.Node, bool]] = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        inner = _inner(node)
        if is_done:
            within.discard(id(node))
            values = 1 + sum(known[id(item)][0] for item in inner)
            levels = (not isinstance(node, yaml.ScalarNode)) + max(
                (known[id(item)][1] for item in inner), default=0
            )
            known[id(node)] = values, levels
            if values > limits.values:
                raise fail(node, many_values(limits))
            if levels > limits.levels:
                raise fail(node, many_levels(limits))
        elif id(node) in within:
            raise fail(node, "what is here holds itself")
        elif id(node) not in known:
            is_number = isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float"))
            if is_number and len(node.value) > limits.digits:
                raise fail(node, many_digits(len(node.value), limits))
            within.add(id(node))
            waiting.append((node, True))
            waiting += [(item, False) for item in inner]


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node.value, str):
        return []
    return [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]


def many_levels(limits: Limits) -> str:
    return f"lists and mappings lie in each other more than {limits.levels} levels deep"


def many_values(limits: Limits) -> str:
    return f"with its aliases written out it has more than {limits.values} values"


def many_digits(count: int, limits: Limits) -> str:
    return f"a number is written with {count} characters; at most {limits.digits} are read"
