"""Several homes work, export and import at random: no work is ever lost, and nothing is refused without need."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from db.bundle.export import export
from db.bundle.receive import receive
from db.migrate import open_state
from errors import BundleError
from settings.home import Home
from tests.db.bundle.conftest import Trusting
from tests.support import RETENTION, planned, states, submit
from tests.workshop import Workshop


class Place:
    """A home and the units of work that were begun in its line; a unit's name is never used twice."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.units: frozenset[str] = frozenset()

    def work(self, unit: str) -> None:
        database = open_state(self.home)
        submit(database, planned(unit), key=unit)
        database.close()
        self.units |= {unit}

    def found(self) -> frozenset[str]:
        database = open_state(self.home)
        found = frozenset(states(database))
        database.close()
        return found


@pytest.mark.parametrize("seed", [0, 2])
def test_no_unit_is_lost_and_no_import_is_refused_without_need(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    empty = Workshop(tmp_path / "empty")
    empty.close()
    places = [Place(tmp_path / f"home {number}") for number in range(3)]
    for place in places:
        shutil.copytree(empty.home.root, place.home.root)
    bundles: list[tuple[Path, frozenset[str]]] = []
    taken = refused = already = 0
    for number in range(30):
        place = chance.choice(places)
        what = chance.choice(["work", "export", "import", "import"])
        if what == "work":
            place.work(f"unit {number}")
        elif what == "export":
            database = open_state(place.home)
            target = tmp_path / f"{number}.bundle"
            export(database, place.home, RETENTION, target, None, time.time())
            database.close()
            bundles.append((target, place.units))
        elif bundles:
            bundle, units = chance.choice(bundles[-3:])
            try:
                outcome = receive(place.home, bundle, time.time(), Trusting())
            except BundleError:
                refused += 1
                assert place.units - units, "refused although nothing would have been lost"
            else:
                if outcome.already:
                    already += 1
                    assert units <= place.units
                else:
                    taken += 1
                    assert place.units <= units, "work was lost"
                    place.units = units
        assert place.found() == place.units
    assert taken and refused and already, "the seed must show every outcome"
