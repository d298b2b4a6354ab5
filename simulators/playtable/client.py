"""One PyBullet physics server in this process, addressed without repeating its id at every call."""

from __future__ import annotations

import functools
from typing import Any

from simulators.playtable.bullet import pybullet


class Client:
    """`client.stepSimulation()` is `pybullet.stepSimulation(physicsClientId=<this server's>)`."""

    def __init__(self, options: str = "") -> None:
        given = {"options": options} if options else {}  # Bullet prints options, empty ones too
        self.id: int = pybullet.connect(pybullet.DIRECT, **given)

    def __getattr__(self, name: str) -> Any:
        bound = functools.partial(getattr(pybullet, name), physicsClientId=self.id)
        setattr(self, name, bound)
        return bound

    def links(self, uid: int) -> dict[str, int]:
        """Link index by name; the base is `base_link`, -1."""
        infos = (self.getJointInfo(uid, i) for i in range(self.getNumJoints(uid)))
        return {"base_link": -1, **{info[12].decode(): info[0] for info in infos}}

    def joints(self, uid: int) -> dict[str, int]:
        """Joint index by name."""
        infos = (self.getJointInfo(uid, i) for i in range(self.getNumJoints(uid)))
        return {info[1].decode(): info[0] for info in infos}

    def joint_position(self, uid: int, joint: int) -> float:
        """Metres or radians."""
        return float(self.getJointState(uid, joint)[0])

    def close(self) -> None:
        if pybullet.isConnected(self.id):
            pybullet.disconnect(self.id)
