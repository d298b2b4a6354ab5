"""Which workers a job of several devices gets. A pure function of what is known.

It gets all of its workers at once, busy ones too, or none: two such jobs cannot wait for each other. Busy workers come
when what they do has ended. Turns are those of the queue. A job that finds too few workers which no other such job has
keeps those behind it from taking any where it could be, so that smaller ones do not pass it for ever; jobs of one
device go on filling whatever is free.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hand:
    """A worker that takes jobs which want a device. place: the machine, or container of one, whose workers may work
    together. counted: whether its devices are GPUs; any number of ranks fits a processor. reachable: whether it may
    work with those of other places."""

    worker_id: int
    place: str
    devices: int = 1
    counted: bool = False
    reachable: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """A job whose turn it is. preferred: the worker that has its model in memory. nodes: places that its devices are
    of, as many of each. shrinks: whether it takes fewer places where there are not so many."""

    job_id: int
    devices: int
    preferred: int | None = None
    nodes: int = 1
    shrinks: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """A job, and the workers that its bell is for."""

    job_id: int
    workers: tuple[int, ...]


def seat(
    hands: Sequence[Hand], free: Collection[int], seated: Collection[int], wishes: Sequence[Wish], spare: int
) -> list[Given]:
    """hands: those that come first are taken first. free: workers that do no such job and were promised none. seated:
    those that some job has that is divided. wishes: in the order of their turns. spare: at most so many of the free are
    given away, as bells are under way to some."""
    free, taken = [hand.worker_id for hand in hands if hand.worker_id in free], set(seated)
    kept: set[str] = set()
    given: list[Given] = []
    for wish in wishes:
        if spare <= 0 or not free:
            break
        if wish.devices == 1:
            chosen: tuple[int, ...] = (wish.preferred if wish.preferred in free else free[0],)
        else:
            able = able_places(hands, wish)
            there = [of_place(hands, place) for place in able if place not in kept]
            chosen = _best(there, free, taken, wish.devices // wish.nodes, nodes_of(wish, len(able)))
            if not chosen:
                kept.update(able)
                continue
            taken.update(chosen)
        spare -= sum(worker in free for worker in chosen)
        free = [worker for worker in free if worker not in chosen]
        given.append(Given(wish.job_id, chosen))
    return given


def able_places(hands: Sequence[Hand], wish: Wish) -> list[str]:
    """Where the job could have its devices, or its part of them, were no other there; empty where it finds too few
    such places."""
    if wish.nodes > 1:
        hands = [hand for hand in hands if hand.reachable]
        if any(hand.counted for hand in hands):  # ranks of one job compute on one kind of device
            hands = [hand for hand in hands if hand.counted]
    each = wish.devices // wish.nodes
    able = [
        place for place in dict.fromkeys(hand.place for hand in hands) if fits(of_place(hands, place), each)
    ]
    return able if len(able) >= nodes_of(wish, len(able)) else []


def nodes_of(wish: Wish, able: int) -> int:
    """Places that it takes where so many could have its part."""
    return max(1, min(wish.nodes, able)) if wish.shrinks else wish.nodes


def of_place(hands: Sequence[Hand], place: str) -> list[Hand]:
    return [hand for hand in hands if hand.place == place]


def fits(hands: Sequence[Hand], devices: int) -> bool:
    """Whether a job of so many devices could have workers of this place, were no other there."""
    return any(not hand.counted for hand in hands) or sum(hand.devices for hand in hands) >= devices


def _best(
    places: Sequence[Sequence[Hand]], free: Collection[int], taken: Collection[int], devices: int, nodes: int
) -> tuple[int, ...]:
    """Workers with `devices` on each of `nodes` places, those that the fewest have to be waited for; empty where
    too few places have enough."""

    def cost(workers: Sequence[Hand]) -> tuple[int, int, int]:
        busy = sum(hand.worker_id not in free for hand in workers)
        return busy, sum(hand.devices for hand in workers), len(workers)

    best = [
        min(found, key=cost)
        for hands in places
        if (
            found := list(
                _enough([hand for hand in hands if hand.worker_id not in taken], hands, free, devices)
            )
        )
    ]
    if len(best) < nodes:
        return ()
    return tuple(hand.worker_id for workers in sorted(best, key=cost)[:nodes] for hand in workers)


def _enough(
    there: Sequence[Hand], hands: Sequence[Hand], free: Collection[int], devices: int
) -> Iterator[Sequence[Hand]]:
    """Ways to have so many devices of one place, whose `hands` nobody else has where they are `there`."""
    wanted = min(devices, len(hands)) if any(not hand.counted for hand in hands) else devices
    there = sorted(there, key=lambda hand: (hand.worker_id not in free, -hand.devices))
    for hand in there:
        if hand.devices >= wanted:
            yield [hand]
    several = 0
    for count, hand in enumerate(there, 1):
        several += hand.devices
        if several >= wanted:
            yield there[:count]
            return
