"""The moving parts of the table and the blocks: their joints, their logic, CALVIN's scene_obs.

The behaviour of button, switch and lights follows calvin_env/scene/objects/{button,switch,light}.py:
the button toggles the LED at every press, the switch's position decides the bulb.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.embodiment import CALVIN
from benchmark.observations import BLOCKS, LAMPS, ORIENTATION, POSE_SIZE, POSITION, TRAVEL
from errors import SimulatorError
from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client
from simulators.playtable.scene import TABLE_JOINTS, Light, Scene
from simulators.playtable.visuals import Visuals

#: Resistance of doors, switch and button against being moved, in N.
_RESISTANCE = 4.0

_SLIDE, _DRAWER, _BUTTON, _SWITCH = TABLE_JOINTS


class Lamp:
    def __init__(self, visuals: Visuals, uid: int, link: int, light: Light) -> None:
        self._visuals, self._light = visuals, light
        self.part = uid, link
        self.is_on = False

    def turn(self, on: bool) -> None:
        self.is_on = on
        self._visuals.paint(self.part, self._light.colour_on if on else self._light.colour_off)


class Slot:
    """A prismatic joint of the table. `is_pressed`: beyond the middle of its range."""

    def __init__(self, client: Client, uid: int, name: str, springs_back: bool = False) -> None:
        self._client, self._uid, self.name = client, uid, name
        self.joint = client.joints(uid)[name]
        lower, upper = client.getJointInfo(uid, self.joint)[8:10]
        self._threshold = (lower + upper) / 2
        mode = pybullet.POSITION_CONTROL if springs_back else pybullet.VELOCITY_CONTROL
        client.setJointMotorControl2(uid, self.joint, controlMode=mode, force=_RESISTANCE)

    @property
    def position(self) -> float:
        """Metres from the lower end."""
        return self._client.joint_position(self._uid, self.joint)

    @property
    def is_pressed(self) -> bool:
        return self.position > self._threshold

    def reset(self, position: float) -> None:
        self._client.resetJointState(self._uid, self.joint, position)


class Table:
    """Table `uid` and blocks `blocks` (name -> uid, in the order of scene_obs)."""

    def __init__(
        self, client: Client, visuals: Visuals, scene: Scene, uid: int, blocks: dict[str, int]
    ) -> None:
        self._client = client
        self.uid = uid
        self.blocks = blocks
        self.links = client.links(uid)
        self.slide = Slot(client, uid, _SLIDE)
        self.drawer = Slot(client, uid, _DRAWER)
        self.button = Slot(client, uid, _BUTTON, springs_back=True)
        self.switch = Slot(client, uid, _SWITCH)
        self._joints = [slot.joint for slot in (self.slide, self.drawer, self.button, self.switch)]
        self.bulb = Lamp(visuals, uid, self.links[scene.bulb.link], scene.bulb)
        self.led = Lamp(visuals, uid, self.links[scene.led.link], scene.led)
        self._button_was_pressed = False
        self._switch_was_on = False

    def reset(self, scene_obs: np.ndarray) -> None:
        """Put everything where `scene_obs` (24,) has it. Raises SimulatorError if a value is impossible."""
        if scene_obs.shape != (CALVIN.scene_obs_size,) or not np.isfinite(scene_obs).all():
            raise SimulatorError(
                f"scene_obs must be {CALVIN.scene_obs_size} finite numbers, got {scene_obs.tolist()}"
            )
        bulb, led = scene_obs[LAMPS]
        if bulb not in (0.0, 1.0) or led not in (0.0, 1.0):
            raise SimulatorError(f"scene_obs[4:6] (bulb, LED) must be 0 or 1, got {bulb}, {led}")
        for slot, position in zip((self.slide, self.drawer, self.button, self.switch), scene_obs[TRAVEL]):
            slot.reset(float(position))
        self.bulb.turn(bool(bulb))
        self.led.turn(bool(led))
        self._button_was_pressed = self.button.is_pressed
        self._switch_was_on = False
        for uid, pose in zip(self.blocks.values(), scene_obs[BLOCKS].reshape(-1, POSE_SIZE)):
            orientation = pybullet.getQuaternionFromEuler(pose[ORIENTATION].tolist())
            self._client.resetBasePositionAndOrientation(uid, pose[POSITION].tolist(), orientation)

    def update(self) -> None:
        """Let button and switch act on their lamps; once per control step."""
        pressed = self.button.is_pressed
        if pressed and not self._button_was_pressed:
            self.led.turn(not self.led.is_on)
        self._button_was_pressed = pressed
        switched_on = self.switch.is_pressed
        if switched_on != self._switch_was_on:
            self.bulb.turn(switched_on)
        self._switch_was_on = switched_on

    def observation(self) -> np.ndarray:
        """CALVIN's scene_obs, (24,) float64."""
        slots = [state[0] for state in self._client.getJointStates(self.uid, self._joints)]
        poses = []
        for uid in self.blocks.values():
            position, quaternion = self._client.getBasePositionAndOrientation(uid)
            poses += [*position, *pybullet.getEulerFromQuaternion(quaternion)]
        return np.array([*slots, self.bulb.is_on, self.led.is_on, *poses], dtype=np.float64)

    def info(self) -> dict[str, Any]:
        """The `scene_info` part of CALVIN's info."""
        contacts = self._client.getContactPoints(bodyA=self.uid)
        return {
            "fixed_objects": {"table": {"uid": self.uid, "links": dict(self.links), "contacts": contacts}},
            "movable_objects": {name: self._block_info(uid) for name, uid in self.blocks.items()},
            "doors": {slot.name: {"current_state": slot.position} for slot in (self.slide, self.drawer)},
            "buttons": {
                self.button.name: {
                    "joint_state": self.button.position,
                    "logical_state": int(self.led.is_on),
                }
            },
            "switches": {
                self.switch.name: {
                    "joint_state": self.switch.position,
                    "logical_state": int(self._switch_was_on),
                }
            },
            "lights": {
                "lightbulb": {"logical_state": int(self.bulb.is_on)},
                "led": {"logical_state": int(self.led.is_on)},
            },
        }

    def _block_info(self, uid: int) -> dict[str, Any]:
        position, quaternion = self._client.getBasePositionAndOrientation(uid)
        linear, angular = self._client.getBaseVelocity(uid)
        return {
            "current_pos": position,
            "current_orn": quaternion,
            "current_lin_vel": linear,
            "current_ang_vel": angular,
            "contacts": self._client.getContactPoints(bodyA=uid),
            "uid": uid,
        }
