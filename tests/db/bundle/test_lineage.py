"""Which home a bundle may take the place of, as a pure decision and on the facts it is made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import jobs, members
from db.bundle import lineage
from db.bundle.manifest import Handed
from db.jobs import Ending
from db.states import YIELDED
from errors import BundleError
from settings.home import Home
from tests.support import NOW, planned, row, submit
from tests.workshop import Workshop


def digest(number: int) -> str:
    return f"{number:064x}"


def handed(number: int, left: int, arrived: int | None = None, attempts: int = 0) -> Handed:
    return Handed(
        key=f"{number:032x}", at=NOW, host="there", attempts=attempts,
        facts_left=digest(left), facts_arrived=digest(left if arrived is None else arrived),
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=6),
    st.integers(0, 50),
    st.integers(0, 6),
)
def test_only_a_home_whose_facts_are_in_the_past_is_replaced(
    past: list[tuple[int, int]], mine: int, shared: int
) -> None:
    bundle = [handed(i, left, arrived) for i, (left, arrived) in enumerate(past)]
    if any(mine in facts for facts in past):
        lineage.check_continues(bundle[:shared], {digest(mine)}, 0, bundle)
    else:
        with pytest.raises(BundleError):
            lineage.check_continues(bundle[:shared], {digest(mine)}, 0, bundle)


def test_a_fork_is_explained_from_the_last_common_bundle() -> None:
    common = [handed(1, 1, attempts=10), handed(2, 2, attempts=20)]
    bundle = [*common, handed(4, 4, attempts=23)]
    with pytest.raises(BundleError, match="this one began 1 attempt and the bundle's 3 attempts") as caught:
        lineage.check_continues([*common, handed(3, 3, attempts=21)], {digest(5)}, 21, bundle)
    assert "1970-01-12 13:46:40 UTC" in str(caught.value)


def test_a_bundle_is_known_by_its_key() -> None:
    bundle = [handed(1, 1), handed(2, 2)]
    assert lineage.already_holds([handed(1, 1), handed(2, 2), handed(3, 3)], bundle)
    assert not lineage.already_holds([handed(1, 1), handed(3, 3)], bundle)


def _facts(workshop: Workshop) -> str:
    with workshop.database.read() as tx:
        return lineage.facts(tx.exec_driver_sql)


@pytest.fixture
def workshop(tmp_path: Path, workshop_at: Callable[..., Workshop]) -> Workshop:
    workshop = workshop_at(Home(tmp_path / "home"))
    workshop.submit()
    workshop.finish_until("train")
    return workshop


def test_looking_waiting_and_ringing_are_no_facts(workshop: Workshop) -> None:
    before = _facts(workshop)
    jobs.ring(workshop.database, "cpu", 10, NOW)
    members.open_session(workshop.database, "up", None, NOW)
    members.join(workshop.database, "worker", "cpu", None, NOW)
    jobs.unring(workshop.database, [row(workshop.database, "train").id])
    assert _facts(workshop) == before


def test_every_kind_of_work_is_a_fact(workshop: Workshop) -> None:
    seen = [_facts(workshop)]

    def changed() -> None:
        seen.append(_facts(workshop))
        assert len(set(seen)) == len(seen)

    claim = workshop.claim("train")
    changed()
    workshop.publish(claim, 1)
    changed()
    jobs.give_back(workshop.database, claim, Ending(YIELDED, 1), NOW)
    changed()
    submit(workshop.database, planned("more"), key="more")
    changed()
    jobs.cancel(workshop.database, jobs.Target("job", row(workshop.database, "more").id, "more"), NOW)
    changed()
    workshop.finish("train")
    changed()
