#!/usr/bin/env bash
# pybullet 3.2.7 (Python 3.11, Linux, DIRECT mode), with the Panda arm of its own pybullet_data.
#
# saveState and restoreState bring positions and velocities back, but not what the joint motors are told to do: a
# position target that was set after the state was saved stays in force after the state is restored. Two roll-outs from
# one saved state are equal only if nobody has commanded another target in between. With another target in between, the
# restored arm leaves its place although no command followed the restoring. Set every motor again after restoreState.
#
# Seen (joint 1 after 100 steps of 1/240 s; its target when the state was saved was 0):
#   saved, then stepped                    0.000
#   restored, then stepped                 0.000
#   target 0.5 set, restored, joint reads  0.000
#   and then stepped                       0.500
# Exit: 0 while this holds, 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile numpy==2.4.6 pybullet==3.2.7
"$work/venv/bin/python" - <<'PY'
import sys
import pybullet as bullet
import pybullet_data

bullet.connect(bullet.DIRECT)
bullet.setAdditionalSearchPath(pybullet_data.getDataPath())
arm = bullet.loadURDF("franka_panda/panda.urdf", useFixedBase=True)
joint = 1


def told(target):
    bullet.setJointMotorControl2(arm, joint, bullet.POSITION_CONTROL, target, force=200)


def after(steps):
    for _ in range(steps):
        bullet.stepSimulation()
    return bullet.getJointState(arm, joint)[0]


told(0.0)
saved = bullet.saveState()
first = after(100)
bullet.restoreState(saved)
second = after(100)
bullet.restoreState(saved)
told(0.5)
bullet.restoreState(saved)
restored = after(0)
third = after(100)
print(f"saved, then stepped                    {first:.3f}")
print(f"restored, then stepped                 {second:.3f}")
print(f"target 0.5 set, restored, joint reads  {restored:.3f}")
print(f"and then stepped                       {third:.3f}")
sys.exit(0 if abs(first) + abs(second) + abs(restored) < 1e-3 and third > 0.4 else 1)
PY
