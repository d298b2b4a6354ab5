from __future__ import annotations

from simulators.playtable.client import Client


def test_clients_have_worlds_of_their_own() -> None:
    first, second = Client(), Client()
    first.createMultiBody(baseMass=1.0)
    assert first.getNumBodies() == 1
    assert second.getNumBodies() == 0
    first.close()
    first.close()
    assert second.getNumBodies() == 0
    second.close()
