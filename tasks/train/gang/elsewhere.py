"""What another machine does for an attempt: it starts its ranks, and ends them when the attempt is over.

Nothing here speaks for the attempt. The first machine hears of a rank that ends here by the connections of the ranks,
and why from the state; whatever happens to it, what is here ends once the state says that the attempt has, or cannot
be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from errors import NodeUnreachable, RanksLost
from settings.json_values import JsonObject, section
from tasks.context import UNABLE, ElsewhereContext
from tasks.specs import TrainSpec
from tasks.train.gang.meeting import Meeting
from tasks.train.gang.order import linked, order_elsewhere
from tasks.train.gang.processes import Group, started
from tasks.train.gang.words import LAUNCHER, Line, error_in, failure
from tasks.train.state import forget

_LOOK_SECONDS = 0.1


def run(context: ElsewhereContext[TrainSpec]) -> None:
    forget(context.memory)
    try:
        path, ranks, meeting = _prepared(context)
        with started(path, ranks, context.node.devices, meeting) as group:
            spoke = False
            for line in _lines(context, group):
                spoke = spoke or (line.word == "alive" and line.whole("rank") != LAUNCHER)
            if not group.ended or group.went_well:
                return
            group.log()
            context.tell(_last_word(group, spoke))
    except Exception as error:
        context.tell({"failed": failure(None, error)})
        raise


def _prepared(context: ElsewhereContext[TrainSpec]) -> tuple[Path, int, Meeting]:
    """(order, ranks, meeting) of this machine. What they read is on it then."""
    told = context.told
    folder = context.scratch.absolute()
    step = int(str(section(told, "order")["step"]))
    resume = linked(context.checkpoint(step), folder) if told["resumes"] else None
    order = order_elsewhere(section(told, "order"), context.inputs, resume, folder)
    assert order.meets is not None
    path = folder / "order.json"
    order.write(path)
    nodes = order.ranks // order.each
    return path, order.each, Meeting(context.name, order.meets, context.number, nodes, context.node.address)


def _lines(context: ElsewhereContext[TrainSpec], group: Group) -> Iterator[Line]:
    """What ranks here say, until they or the attempt have ended."""
    while not group.ended and not context.is_over():
        if (line := group.next(_LOOK_SECONDS)) is not None:
            yield line


def _last_word(group: Group, spoke: bool) -> JsonObject:
    if group.own_failure is not None:
        return {"failed": group.own_failure.values}
    return {"lost": str(group.error()), "met": spoke}


def error_of(told: JsonObject | None) -> Exception:
    """Why an attempt ends of which another machine told this, or is gone."""
    if told is None:
        return NodeUnreachable("another machine of the attempt is gone")
    if UNABLE in told:
        return NodeUnreachable(f"another machine cannot do its part of the attempt: {told[UNABLE]}")
    if "failed" in told:
        return error_in(Line("failed", section(told, "failed")))
    if told["met"] is True:
        return RanksLost(f"on another machine: {told['lost']}")
    return NodeUnreachable(f"another machine did not reach this one: {told['lost']}")
