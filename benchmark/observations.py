"""Where `robot_obs` (15), `scene_obs` (24) and actions (7) have what: dataset/README.md of mees/calvin."""

from __future__ import annotations

#: A pose is x, y, z in metres and Euler x, y, z in radians. It begins `robot_obs` (that of the tcp) and an action.
POSE_SIZE = 6
POSITION, ORIENTATION, POSE = slice(0, 3), slice(3, 6), slice(0, POSE_SIZE)

#: Of `robot_obs`: metres between the fingers, radians of the arm's joints, what the hand was last told (1: open, -1).
GRIPPER_WIDTH, ARM, GRIPPER_COMMAND = 6, slice(7, 14), 14

#: Of an action: 1 to open the hand, -1 to close it.
ACTION_GRIPPER = 6

#: Of `scene_obs`: metres by which the table's joints have moved, lamps (0 or 1), poses of three blocks, whose order is
#: `benchmark.tasks.BLOCK_ORDER`.
SLIDE, DRAWER, BUTTON, SWITCH, BULB, LED = range(6)
TRAVEL, LAMPS, BLOCKS = slice(0, 4), slice(4, 6), slice(6, 24)
