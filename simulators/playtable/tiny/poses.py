"""Where PyBullet draws the parts of a world: `getLinkState` tells where links were one physics step before.

Asking it to compute that anew would change what the simulation goes on from. So a second server, whose bodies are
nothing but joints, takes the same values of the joints: the same code gives the same numbers there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client
from simulators.playtable.tiny.matrices import Floats, model_matrices
from simulators.playtable.visuals import Part

_BARE = pybullet.URDF_IGNORE_VISUAL_SHAPES | pybullet.URDF_IGNORE_COLLISION_SHAPES


class Poses:
    """Of `parts` of the world of `client`. jointed: the URDFs of its bodies with links, with their scale, by uid."""

    def __init__(self, client: Client, parts: Sequence[Part], jointed: dict[int, tuple[Path, float]]) -> None:
        self._client, self._parts = client, parts
        self._bare = Client()
        self._bodies = [
            _Body(
                client, self._bare, uid, file, scale, sorted({link for other, link in parts if other == uid})
            )
            for uid, (file, scale) in jointed.items()
        ]
        self._bases = sorted({uid for uid, _ in parts})

    def matrices(self) -> Floats:
        """Model matrices (n, 4, 4) of the parts as they are now."""
        frames = {(uid, -1): self._client.getBasePositionAndOrientation(uid) for uid in self._bases}
        for body in self._bodies:
            frames |= body.frames(frames[body.uid, -1])
        positions, quaternions = zip(*(frames[part] for part in self._parts))
        return model_matrices(np.array(positions), np.array(quaternions))

    def close(self) -> None:
        self._bare.close()


class _Body:
    """A body with links, and what stands for it in the second server."""

    def __init__(
        self, client: Client, bare: Client, uid: int, file: Path, scale: float, links: Sequence[int]
    ) -> None:
        self._client, self._bare, self.uid = client, bare, uid
        base = client.getBasePositionAndOrientation(uid)
        self._own = bare.loadURDF(str(file), *base, useFixedBase=True, globalScaling=scale, flags=_BARE)
        joints = range(bare.getNumJoints(self._own))
        self._moving = [j for j in joints if bare.getJointInfo(self._own, j)[2] != pybullet.JOINT_FIXED]
        self._links = [link for link in links if link >= 0]
        self._base: object = None

    def frames(self, base: tuple[tuple[float, ...], tuple[float, ...]]) -> dict[Part, tuple[object, object]]:
        """Position and quaternion of the links' centres of mass. base: of the base's."""
        if base != self._base:
            self._bare.resetBasePositionAndOrientation(self._own, *base)
            self._base = base
        values = [[state[0]] for state in self._client.getJointStates(self.uid, self._moving)]
        self._bare.resetJointStatesMultiDof(self._own, self._moving, values)
        states = self._bare.getLinkStates(self._own, self._links)
        return {(self.uid, link): state[:2] for link, state in zip(self._links, states)}
