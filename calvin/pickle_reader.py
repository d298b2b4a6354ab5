"""Reads a pickle: carries out its instructions, and makes plain values of what they leave."""

from __future__ import annotations

import pickle
import pickletools
import struct
from typing import Any

from calvin.pickle_instructions import STEPS
from calvin.pickle_machine import Limits, Machine
from calvin.pickle_tree import Tree
from calvin.pickle_values import Refused

_CHECKED_EVERY = 4096
_unsigned = struct.Struct("<I").unpack_from
_signed = struct.Struct("<i").unpack_from
(_STOP,), (_MEMOIZE,), (_LONG_BINPUT,), (_BINGET,) = (
    pickle.STOP,
    pickle.MEMOIZE,
    pickle.LONG_BINPUT,
    pickle.BINGET,
)
(_LONG_BINGET,), (_TUPLE2,), (_BININT,), (_BININT2,) = (
    pickle.LONG_BINGET,
    pickle.TUPLE2,
    pickle.BININT,
    pickle.BININT2,
)
(_SHORT_BINUNICODE,), (_BINUNICODE,) = pickle.SHORT_BINUNICODE, pickle.BINUNICODE
(_BININT1,), (_MARK,) = pickle.BININT1, pickle.MARK
_TEXTS = (_SHORT_BINUNICODE, _BINUNICODE)


def run(content: bytes, start: int, limits: Limits) -> Any:
    """The value of the pickle at `start` of `content`. Raises Refused or Asked."""
    machine = Machine(content, start, limits)
    tree = Tree(limits.instructions, limits.bytes, limits.nesting)
    try:
        return tree.settle(_value(machine))
    except (IndexError, struct.error):
        raise Refused("it ends in the middle, or takes what is not there") from None
    except KeyError:
        raise Refused("it looks back at what it has not written") from None
    except UnicodeError:
        raise Refused("a text in it is not what its bytes say") from None


def _value(machine: Machine) -> Any:
    left = machine.limits.instructions
    while left > 0:
        if _carry_out(machine, min(left, _CHECKED_EVERY)):
            return machine.stack.pop()
        left -= _CHECKED_EVERY
    raise Refused(f"it has more than {machine.limits.instructions} instructions")


def _carry_out(machine: Machine, count: int) -> bool:
    """Carry out at most `count` instructions; true after the last one.

    Those that a list of annotations is made of are written out here: a call for each would take as long as the rest.
    """
    content, at, stack, memo = machine.content, machine.at, machine.stack, machine.memo
    steps, objects, memo_reads = STEPS, 0, 0
    is_done = False
    for _ in range(count):
        code = content[at]
        at += 1
        step = steps[code]
        if step is not None:
            machine.at = at
            step(machine)
            at = machine.at
        elif code == _MEMOIZE:
            memo[len(memo)] = stack[-1]
        elif code in _TEXTS:
            if code == _SHORT_BINUNICODE:
                start = at + 1
                at = start + content[at]
            else:
                start = at + 4
                at = start + _unsigned(content, at)[0]
            if at > len(content):
                raise IndexError
            objects += 1
            stack.append(content[start:at].decode("utf-8", "surrogatepass"))
        elif code == _BINGET:
            memo_reads += 1
            stack.append(memo[content[at]])
            at += 1
        elif code == _BININT1:
            stack.append(content[at])
            at += 1
        elif code == _MARK:
            machine.marks.append(len(stack))
        elif code == _LONG_BINPUT:
            memo[_unsigned(content, at)[0]] = stack[-1]
            at += 4
        elif code == _BININT:
            stack.append(_signed(content, at)[0])
            at += 4
        elif code == _TUPLE2:
            second, first = stack.pop(), stack.pop()
            objects += 1
            stack.append((first, second))
        elif code == _BININT2:
            stack.append(content[at] | content[at + 1] << 8)
            at += 2
        elif code == _LONG_BINGET:
            memo_reads += 1
            stack.append(memo[_unsigned(content, at)[0]])
            at += 4
        elif code == _STOP:
            is_done = True
            break
        else:
            raise Refused(f"it has the instruction {_instruction(code)}, which has no place in such a file")
    machine.at = at
    machine.count(objects, memo_reads)
    return is_done


def _instruction(code: int) -> str:
    known = {opcode.code: opcode for opcode in pickletools.opcodes}.get(chr(code))
    return known.name if known else f"0x{code:02x}"
