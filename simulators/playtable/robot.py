"""The Panda arm under CALVIN's control law.

Numbers: calvin_env/conf/robot/panda.yaml and calvin_env/robot/robot.py (action scaling, persistent
target pose, forces), calvin_env/robot/mixed_ik.py (null-space inverse kinematics).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.actions import MAX_STEP_M, MAX_STEP_RAD
from benchmark.embodiment import CALVIN
from benchmark.observations import ARM, GRIPPER_COMMAND, GRIPPER_WIDTH, ORIENTATION, POSITION
from errors import SimulatorError
from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client
from simulators.playtable.scene import ARM_JOINTS, CAMERA_LINK, FINGER_JOINTS, TOOL_LINK

#: Arm joints in the pose every official evaluation chain starts from, in rad.
REST_JOINTS = (-1.21779206, 1.03987646, 2.11978261, -2.34205014, -0.87015947, 1.64119353, 0.55344866)

_LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
_UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
_ARM_FORCE = 200.0
_ARM_SPEED = 2.0
_FINGER_OPEN_METRES = 0.04
_FINGER_FORCE = {1: 2.0, -1: 200.0}
_FINGER_SPEED = 1.0
_NULL_SPACE_LIMIT = 7.0
_SOLVER_CALLS = 20


class Robot:
    """Reads and drives the robot of body `uid`. Poses are (6,): xyz in m, Euler xyz in rad, world frame."""

    def __init__(self, client: Client, uid: int) -> None:
        self._client = client
        self.uid = uid
        joints, links = client.joints(uid), client.links(uid)
        self.arm = [joints[name] for name in ARM_JOINTS]
        self.fingers = [joints[name] for name in FINGER_JOINTS]
        self.tcp_link, self.camera_link = links[TOOL_LINK], links[CAMERA_LINK]
        self.gripper_action = 1
        self.target_pose = np.zeros(6)
        self._keep_fingers_centred()

    def reset(self, robot_obs: np.ndarray | None) -> None:
        """Put the joints where `robot_obs` (15,) has them, or into the rest pose with open fingers."""
        if robot_obs is None:
            joints, finger, self.gripper_action = np.array(REST_JOINTS), _FINGER_OPEN_METRES, 1
        else:
            joints, finger = robot_obs[ARM], float(robot_obs[GRIPPER_WIDTH]) / 2
            self.gripper_action = 1 if robot_obs[GRIPPER_COMMAND] > 0 else -1
        for joint, position in zip(self.arm, joints):
            self._client.resetJointState(self.uid, joint, float(position))
        for joint in self.fingers:
            self._client.resetJointState(self.uid, joint, finger)
        self._drive_arm(joints)
        self._drive_fingers(finger, _FINGER_FORCE[-1])
        self.target_pose = self.tcp_pose()

    def apply(self, action: np.ndarray) -> None:
        """Set the motors' targets for a relative action (7,); the caller steps the physics.

        Raises SimulatorError unless the action is seven finite numbers ending in exactly 1 or -1.
        """
        action = np.asarray(action, dtype=np.float64)
        if action.shape != (CALVIN.action_size,) or not np.isfinite(action).all():
            raise SimulatorError(f"an action is seven finite numbers, got {action.tolist()}")
        if action[6] not in (-1.0, 1.0):
            raise SimulatorError(f"the gripper command must be exactly 1 or -1, got {action[6]}")
        self.gripper_action = int(action[6])
        self.target_pose[POSITION] += action[POSITION] * MAX_STEP_M
        self.target_pose[ORIENTATION] += action[ORIENTATION] * MAX_STEP_RAD
        self._drive_arm(self.inverse_kinematics(self.target_pose))
        opening = _FINGER_OPEN_METRES if self.gripper_action == 1 else 0.0
        self._drive_fingers(opening, _FINGER_FORCE[self.gripper_action])

    def inverse_kinematics(self, pose: np.ndarray) -> np.ndarray:
        """One solver call from the present joints towards a tcp pose (6,): arm joints (7,), within limits."""
        dof = len(self.arm) + len(self.fingers)
        joints = self._client.calculateInverseKinematics(
            self.uid,
            self.tcp_link,
            pose[:3].tolist(),
            pybullet.getQuaternionFromEuler(pose[3:].tolist()),
            [-_NULL_SPACE_LIMIT] * dof,
            [_NULL_SPACE_LIMIT] * dof,
            [_NULL_SPACE_LIMIT] * dof,
            [*REST_JOINTS, _FINGER_OPEN_METRES, _FINGER_OPEN_METRES],
        )
        return np.clip(joints[: len(self.arm)], _LOWER, _UPPER)

    def observation_at(self, pose: np.ndarray) -> np.ndarray:
        """robot_obs (15,) of the arm at rest with the tcp at `pose` (6,) and open fingers. Moves the arm."""
        joints = np.array(REST_JOINTS)
        for _ in range(_SOLVER_CALLS):
            for joint, position in zip(self.arm, joints):
                self._client.resetJointState(self.uid, joint, float(position))
            joints = self.inverse_kinematics(pose)
        return np.array([*pose, 2 * _FINGER_OPEN_METRES, *joints, 1.0])

    def tcp_pose(self) -> np.ndarray:
        """Measured tool centre point, (6,)."""
        position, quaternion = self._client.getLinkState(self.uid, self.tcp_link)[:2]
        return np.array([*position, *pybullet.getEulerFromQuaternion(quaternion)])

    def observation(self) -> np.ndarray:
        """CALVIN's robot_obs, (15,) float64."""
        states = self._client.getJointStates(self.uid, [*self.arm, *self.fingers])
        joints = [state[0] for state in states]
        arm, fingers = joints[: len(self.arm)], joints[len(self.arm) :]
        return np.array([*self.tcp_pose(), sum(fingers), *arm, self.gripper_action], dtype=np.float64)

    def info(self) -> dict[str, Any]:
        """The `robot_info` part of CALVIN's info."""
        observation = self.observation()
        return {
            "tcp_pos": tuple(observation[POSITION].tolist()),
            "tcp_orn": tuple(observation[ORIENTATION].tolist()),
            "gripper_opening_width": float(observation[GRIPPER_WIDTH]),
            "arm_joint_states": observation[ARM].tolist(),
            "gripper_action": self.gripper_action,
            "uid": self.uid,
            "contacts": self._client.getContactPoints(bodyA=self.uid),
        }

    def _keep_fingers_centred(self) -> None:
        gear = self._client.createConstraint(
            self.uid,
            self.fingers[0],
            self.uid,
            self.fingers[1],
            jointType=pybullet.JOINT_GEAR,
            jointAxis=[1, 0, 0],
            parentFramePosition=[0, 0, 0],
            childFramePosition=[0, 0, 0],
        )
        self._client.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=50)

    def _drive_arm(self, positions: np.ndarray) -> None:
        for joint, position in zip(self.arm, positions):
            self._drive(joint, float(position), _ARM_FORCE, _ARM_SPEED)

    def _drive_fingers(self, position: float, force: float) -> None:
        for joint in self.fingers:
            self._drive(joint, position, force, _FINGER_SPEED)

    def _drive(self, joint: int, position: float, force: float, speed: float) -> None:
        self._client.setJointMotorControl2(
            bodyIndex=self.uid,
            jointIndex=joint,
            controlMode=pybullet.POSITION_CONTROL,
            targetPosition=position,
            force=force,
            maxVelocity=speed,
        )
