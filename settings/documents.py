"""YAML and JSON that people wrote: what can be taken in two ways is an error that names the place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from errors import BatonError, ConfigError
from settings.document_limits import LIMITS, Limits, check_expanded, many_digits, many_levels, many_values
from settings.shown import cut, shown

if TYPE_CHECKING:
    import yaml

#: Numbers with an exponent that PyYAML takes for text, as it knows them only with a point and a sign: 1e6, 2.5e6.
_EXPONENT = re.compile(r"[-+]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+\Z")

#: Of what a message says of a fault, or of a path in the document.
_LONGEST_REASON = 160

#: Octal to YAML 1.1, decimal to YAML 1.2; and base 60 to YAML 1.1, text to YAML 1.2.
_LEADING_ZERO = re.compile(r"[-+]?0[\d_]+\Z")
_BASE_60 = re.compile(r"[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?\Z")

#: Bytes that numbers are written with become b"0", all others b" ".
_DIGITS_AS_ZEROS = bytes(ord("0") if chr(byte) in "0123456789.eE+-" else ord(" ") for byte in range(256))

#: What PyYAML's constructors let through where a tag is given by hand: `!!bool maybe`, `!!timestamp x`, `!!int ""`.
_UNUSABLE = (RecursionError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError)

#: What a tag can ask for and neither JSON nor a mapping, list or scalar of YAML can hold. A set has another order in
#: each process.
_NO_PLAIN_VALUES = {f"tag:yaml.org,2002:{name}" for name in ("set", "omap", "pairs", "binary", "timestamp")}

#: Of plain scalars that are a text where one belongs, and the tag that those get. `null`, true and false stay.
_TEXTS = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "str")}
_WRITTEN = "tag:baton,2026:written"

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)


def parse_yaml(
    text: str,
    place: str,
    error: type[BatonError] = ConfigError,
    *,
    is_ours: bool = False,
    lines: bool = True,
    limits: Limits = LIMITS,
    is_text: Callable[[str, bool], bool] | None = None,
) -> Any:
    """The one document in `text`, read as the official code does (OmegaConf's rules): a key twice in a mapping is an
    error, numbers may have an exponent alone (`1e6`), dates are text. Merge keys (`<<`) and anchors are YAML's.

    is_ours: a file written for Baton, in which also plain scalars are errors that readers of YAML 1.1 and 1.2 take
    differently (`012`, `1:30`), and `~`, which is null and looks like a folder. lines: name lines. is_text: whether
    what stands at a dotted path, or the keys of the mapping there, is text as it is written, and no number or truth.

    Raises `error`: one sentence that begins with `place` and names line and key; also for what is above `limits`.
    """
    import yaml

    if len(text) > limits.characters:
        raise error(f"{place} has {len(text)} characters; at most {limits.characters} are read")

    def fail(node: yaml.Node, sentence: str) -> BatonError:
        return error(f"{place}{f', line {node.start_mark.line + 1}' if lines else ''}: {sentence}")

    loader = None
    try:
        loader = _loader()(text)  # looks for characters that YAML does not allow
        loader.limits = limits
        root = loader.get_single_node()
        if root is None:
            return None
        check_expanded(root, fail, limits)
        for path, node in _nodes(root):
            if is_text is not None:
                _take_as_written(path, node, is_text)
            if isinstance(node, yaml.MappingNode):
                _check_keys(loader, path, node, fail)
            elif (
                is_ours and isinstance(node, yaml.ScalarNode) and node.style is None and node.tag != _WRITTEN
            ):
                _check_scalar(path, node, fail)
        return loader.construct_document(root)
    except yaml.YAMLError as fault:
        raise error(f"{place} is not YAML: {_told(fault)}") from None
    except _UNUSABLE as fault:
        raise error(
            f"{place} is not YAML: {cut(str(fault) or type(fault).__name__, _LONGEST_REASON)}"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def parse_json(text: str | bytes, limits: Limits = LIMITS) -> Any:
    """As `json.loads`, but a key twice in an object is a ValueError that names key and line, and so are more levels or
    longer numbers than `limits` has.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    twice: list[str] = []

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            twice.append("")
        return values

    def few(digits: str) -> str:
        if len(digits) > limits.digits:
            raise ValueError(many_digits(len(digits), limits))
        return digits

    each: dict[str, Any] = {}
    # Where this is nowhere, no number needs to be looked at by itself, which would take as long as all the rest.
    if b"0" * (limits.digits + 1) in text.encode("utf-8", "surrogatepass").translate(_DIGITS_AS_ZEROS):
        each = {
            "parse_int": lambda digits: int(few(digits)),
            "parse_float": lambda digits: float(few(digits)),
        }
    try:
        loaded = json.loads(text, object_pairs_hook=once, **each)
    except RecursionError:
        raise ValueError(many_levels(limits)) from None
    if _is_deeper(loaded, limits.levels):
        raise ValueError(many_levels(limits))
    if twice:
        key, line, first = _twice_in_json(text)
        raise ValueError(f"line {line}: the key {shown(key)} is given twice (first in line {first})")
    return loaded


def _is_deeper(loaded: Any, levels: int) -> bool:
    """Whether more lists and objects than `levels` lie in each other."""
    inner = [loaded]
    for _ in range(levels + 1):
        inner = [item for item in inner if type(item) is dict or type(item) is list]
        if not inner:
            return False
        inner = list(chain.from_iterable(item.values() if type(item) is dict else item for item in inner))
    return True


@cache
def _loader() -> Any:
    """The class of loaders; made on demand, as the help of commands needs no YAML."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Stops at what is above its limits while it reads, before Python's own limit on calls."""

        limits = LIMITS
        levels = values = 0

        def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
            self.levels, self.values = self.levels + 1, self.values + 1
            if self.levels > self.limits.levels + 1:
                raise self.above(many_levels(self.limits))
            if self.values > self.limits.values:
                raise self.above(many_values(self.limits))
            node: yaml.Node | None = super().compose_node(parent, index)
            self.levels -= 1
            return node

        def above(self, problem: str) -> yaml.YAMLError:
            return yaml.MarkedYAMLError(problem=problem, problem_mark=self.peek_event().start_mark)

    float_tag, timestamp_tag = "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp"
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != timestamp_tag]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.yaml_constructors = {
        tag: made for tag, made in yaml.SafeLoader.yaml_constructors.items() if tag not in _NO_PLAIN_VALUES
    }
    Loader.yaml_constructors[_WRITTEN] = yaml.SafeLoader.construct_yaml_str
    Loader.add_implicit_resolver(float_tag, _EXPONENT, list("-+.0123456789"))
    return Loader


def _nodes(root: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """Every node once, with the dotted path to it."""
    import yaml

    seen: set[int] = set()
    waiting: list[tuple[str, yaml.Node]] = [("", root)]
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        yield path, node
        if isinstance(node, yaml.SequenceNode):
            waiting += [
                (_ends(f"{path}[{place}]"), item) for place, item in reversed(list(enumerate(node.value)))
            ]
        elif isinstance(node, yaml.MappingNode):
            waiting += [(_joined(path, key), value) for key, value in reversed(node.value)]


def _joined(path: str, key: yaml.Node) -> str:
    name = cut(key.value) if isinstance(key.value, str) else "?"
    return _ends(f"{path}.{name}" if path else name)


def _ends(path: str) -> str:
    """A path as a message shows it: of a long one the end."""
    return path if len(path) <= _LONGEST_REASON else f"...{path[3 - _LONGEST_REASON :]}"


def _check_keys(loader: Any, path: str, mapping: Any, fail: Any) -> None:
    """Keys are compared as Python would: 1, 1.0 and true are one key of a dict."""
    lines: dict[Any, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key.value, str):  # a list or mapping as a key: construction refuses it
            continue
        name = "<<" if key.tag.endswith(":merge") else loader.construct_object(key)
        if name in lines:
            raise fail(
                key,
                f"the key {shown(_joined(path, key), _LONGEST_REASON)} is given twice (first in line {lines[name]}); "
                "keep one of them",
            )
        lines[name] = key.start_mark.line + 1


def _take_as_written(path: str, node: Any, is_text: Callable[[str, bool], bool]) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        found = [key for key, _ in node.value] if is_text(path, True) else []
    else:
        found = [node] if is_text(path, False) else []
    for one in found:
        if isinstance(one, yaml.ScalarNode) and one.style is None and one.tag in _TEXTS:
            one.tag = _WRITTEN


def _check_scalar(path: str, node: Any, fail: Any) -> None:
    kind, text, where = node.tag.rpartition(":")[2], cut(node.value), f"{path}: " if path else ""
    if _LEADING_ZERO.match(text):
        raise fail(
            node,
            f"{where}{text} is octal to some readers of YAML and decimal to others; write it without the leading 0",
        )
    if kind in ("int", "float") and _BASE_60.match(text):
        raise fail(
            node,
            f"{where}{text} is a number of base 60 to some readers of YAML and text to others; write the number",
        )
    if kind == "float" and "inf" not in text.lower() and math.isinf(float(node.value.replace("_", ""))):
        raise fail(node, f"{where}{text} is larger than any number that is computed with (1.8e308)")
    if kind == "null" and text == "~":
        raise fail(node, f"{where}~ is null in YAML; write null, or the folder's name in full")


def _told(fault: Exception) -> str:
    """PyYAML's words in one line: what is wrong, and in which line."""
    problem, mark = getattr(fault, "problem", None), getattr(fault, "problem_mark", None)
    if problem is None or mark is None:
        return cut(str(fault).partition("\n")[0], _LONGEST_REASON)
    return f"{cut(problem.replace(chr(10), ' '), _LONGEST_REASON)} (line {mark.line + 1})"


def _twice_in_json(text: str) -> tuple[str, int, int]:
    """(key, its line, the line of its first place) of the first key that is given twice in one object of `text`."""
    open_objects: list[dict[str, int] | None] = []  # None: a list
    tokens = list(_JSON_TOKEN.finditer(text))
    for token, following in zip(tokens, [*tokens[1:], None]):
        word = token.group()
        if word in ("{", "["):
            open_objects.append({} if word == "{" else None)
        elif word in ("}", "]"):
            open_objects.pop()
        elif word[0] == '"' and following is not None and following.group() == ":":
            keys, key = open_objects[-1], json.loads(word, strict=False)
            line = text.count("\n", 0, token.start()) + 1
            assert keys is not None
            if key in keys:
                return key, line, keys[key]
            keys[key] = line
    raise AssertionError("no key is given twice")
