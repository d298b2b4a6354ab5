"""The instructions of a pickle that files of CALVIN need, protocols 2 to 5, but for the most frequent ones.

Numbers, texts, bytes, lists, tuples, dicts and what `calvin.pickle_values` knows by name. There are no sets, objects,
extension codes or references outside, and none of the instructions that copy or drop what is on the stack: numpy and
Python write such files without them.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

from calvin.pickle_machine import Asked, Machine
from calvin.pickle_values import Holder, Name, Refused, new, set_once

_Step = Callable[[Machine], None]
#: By code; None for those that have no place in such a file, and those that `calvin.pickle_reader` has itself.
STEPS: list[_Step | None] = [None] * 256


def _step(code: bytes) -> Callable[[_Step], _Step]:
    def keep(step: _Step) -> _Step:
        STEPS[code[0]] = step
        return step

    return keep


def _constants() -> None:
    def pushes(value: Any) -> _Step:
        return lambda machine: machine.stack.append(value)

    for code, value in (
        (pickle.NONE, None), (pickle.NEWTRUE, True), (pickle.NEWFALSE, False), (pickle.EMPTY_TUPLE, ()),
    ):  # fmt: skip
        STEPS[code[0]] = pushes(value)
    STEPS[pickle.EMPTY_LIST[0]] = lambda machine: machine.made([])
    STEPS[pickle.EMPTY_DICT[0]] = lambda machine: machine.made({})


def _whole_numbers() -> None:
    def sized(width: int) -> _Step:
        def step(machine: Machine) -> None:
            length = machine.number(width)
            if length > machine.limits.number_bytes:
                raise Refused(f"a number in it has {length} bytes")
            machine.stack.append(int.from_bytes(machine.take(length), "little", signed=True))

        return step

    STEPS[pickle.LONG1[0]] = sized(1)
    STEPS[pickle.LONG4[0]] = sized(4)


def _texts_and_bytes() -> None:
    def sized(width: int, make: Callable[[bytes], Any]) -> _Step:
        def step(machine: Machine) -> None:
            length = int.from_bytes(machine.take(width), "little")
            machine.made(make(machine.take(length)))

        return step

    def text(data: bytes) -> str:
        return data.decode("utf-8", "surrogatepass")

    def old_text(data: bytes) -> str:
        return data.decode("ascii")

    def same(data: bytes) -> bytes:
        return data

    for code, width, make in (
        (pickle.BINUNICODE8, 8, text),
        (pickle.SHORT_BINSTRING, 1, old_text), (pickle.BINSTRING, 4, old_text),
        (pickle.SHORT_BINBYTES, 1, same), (pickle.BINBYTES, 4, same), (pickle.BINBYTES8, 8, same),
        # How protocol 5 writes the data of an array that may be written to: here they are bytes like the others.
        (pickle.BYTEARRAY8, 8, same),
    ):  # fmt: skip
        STEPS[code[0]] = sized(width, make)


def _tuples() -> None:
    def last(length: int) -> _Step:
        def step(machine: Machine) -> None:
            stack = machine.stack
            if len(stack) < length:
                raise IndexError
            items = tuple(stack[-length:])
            del stack[-length:]
            machine.made(items)

        return step

    STEPS[pickle.TUPLE1[0]], STEPS[pickle.TUPLE3[0]] = last(1), last(3)
    STEPS[pickle.TUPLE[0]] = lambda machine: machine.made(tuple(machine.since_mark()))


_constants()
_whole_numbers()
_texts_and_bytes()
_tuples()


@_step(pickle.BINPUT)
def _put(machine: Machine) -> None:
    machine.memo[machine.number(1)] = machine.stack[-1]


@_step(pickle.PROTO)
def _protocol(machine: Machine) -> None:
    protocol = machine.number(1)
    if protocol > pickle.HIGHEST_PROTOCOL:
        raise Refused(f"it is of protocol {protocol}")


@_step(pickle.FRAME)
def _frame(machine: Machine) -> None:
    if machine.number(8) > len(machine.content) - machine.at:
        raise IndexError


@_step(pickle.BINFLOAT)
def _float(machine: Machine) -> None:
    machine.stack.append(struct.unpack(">d", machine.take(8))[0])


@_step(pickle.APPEND)
def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    machine.top(list).append(item)


@_step(pickle.APPENDS)
def _appends(machine: Machine) -> None:
    items = machine.since_mark()
    machine.top(list).extend(items)


@_step(pickle.SETITEM)
def _set_item(machine: Machine) -> None:
    item, key = machine.stack.pop(), machine.stack.pop()
    machine.fill([key, item])


@_step(pickle.SETITEMS)
def _set_items(machine: Machine) -> None:
    machine.fill(machine.since_mark())


@_step(pickle.GLOBAL)
def _global(machine: Machine) -> None:
    module, name = machine.line(1_000), machine.line(1_000)
    machine.name(module.decode(), name.decode())


@_step(pickle.STACK_GLOBAL)
def _stack_global(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise Refused("a name in it is no text")
    machine.name(module, name)


@_step(pickle.REDUCE)
def _reduce(machine: Machine) -> None:
    args, name = machine.stack.pop(), machine.stack.pop()
    if type(name) is not Name or name.call is None or type(args) is not tuple:
        raise Refused("it calls what is not there to be called")
    machine.made(name.call(machine.ledger, args), weight=2)


@_step(pickle.NEWOBJ)
def _new_object(machine: Machine) -> None:
    args, name = machine.stack.pop(), machine.stack.pop()
    if type(name) is not Name:
        raise Refused("it makes an object of what is no class")
    machine.made(new(name, args), weight=2)


@_step(pickle.BUILD)
def _build(machine: Machine) -> None:
    state, holder = machine.stack.pop(), machine.stack[-1]
    if not isinstance(holder, Holder):
        raise Refused("a state is given to what has none")
    machine.count(6, 0)
    set_once(holder, state, machine.ledger)


@_step(pickle.PERSID)
def _external(machine: Machine) -> None:
    raise Asked("an object outside of it")


STEPS[pickle.BINPERSID[0]] = _external


def _extension(machine: Machine) -> None:
    raise Asked("a registered extension")


for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4):
    STEPS[_code[0]] = _extension
