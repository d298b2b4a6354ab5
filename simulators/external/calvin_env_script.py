"""Runs the official calvin_env and answers on a pipe. A script of its own: it imports numpy and calvin_env only.

Started by `simulators.calvin_env` with another interpreter (Python 3.8 or later). It lies in a folder of its
own, because Python puts that first on the interpreter's path and nothing there may hide a package.

A message is four bytes with the length of a JSON header (network order), the header
{"fields": {...}, "arrays": [[name, dtype, shape], ...]}, then the bytes of the arrays. Every request has a
field `call`; every answer has `error` (null or a sentence) and its values.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

CAMERAS = ("static", "gripper")


def read_message(stream: Any) -> dict[str, Any] | None:
    """Fields and arrays in one dict; None at the end of the stream."""
    head = read_exactly(stream, 4)
    if head is None:
        return None
    header = json.loads(read_exactly(stream, struct.unpack("!I", head)[0]) or b"")
    message = dict(header["fields"])
    for name, dtype, shape in header["arrays"]:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        message[name] = np.frombuffer(read_exactly(stream, size) or b"", dtype=dtype).reshape(shape)
    return message


def write_message(stream: Any, message: dict[str, Any]) -> None:
    """`message` maps names to arrays or to plain JSON values."""
    arrays = {name: np.ascontiguousarray(v) for name, v in message.items() if isinstance(v, np.ndarray)}
    fields = {name: value for name, value in message.items() if name not in arrays}
    header = {"fields": fields, "arrays": [[n, a.dtype.str, list(a.shape)] for n, a in arrays.items()]}
    content = json.dumps(header, default=plain).encode()
    stream.write(struct.pack("!I", len(content)) + content + b"".join(a.tobytes() for a in arrays.values()))
    stream.flush()


def plain(value: Any) -> Any:
    """numpy values inside a JSON document."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError("cannot send a " + type(value).__name__)


def read_exactly(stream: Any, size: int) -> bytes | None:
    """`size` bytes; None when the stream ended before them."""
    content = b""
    while len(content) < size:
        part = stream.read(size - len(content))
        if not part:
            return None
        content += part
    return content


class Official:
    """One calvin_env in one scene. Every reset makes a new environment.

    The official reset keeps contacts, solver state and the last gripper command (official code, C7), so that an
    episode would depend on the ones before it.
    """

    def __init__(self, scene: str, use_egl: bool) -> None:
        import calvin_env  # type: ignore[import-not-found]

        self._root = Path(calvin_env.__file__).resolve().parents[1]
        self._scene = scene
        self._use_egl = use_egl
        self._env: Any = None
        self.open()

    def open(self) -> None:
        import hydra  # type: ignore[import-not-found]
        from omegaconf import OmegaConf  # type: ignore[import-not-found]

        if self._env is not None:
            self._env.close()
            self._env.ownsPhysicsClient = False  # it would close its successor's when it is collected
        conf = self._root / "conf"
        if not conf.is_dir():
            raise RuntimeError(
                "calvin_env has no conf/ beside its package; install it from a clone with pip install -e"
            )
        robot = OmegaConf.merge(
            *(OmegaConf.load(conf / "robot" / f) for f in ("panda.yaml", "panda_longer_finger.yaml"))
        )
        del robot["defaults"]
        config = OmegaConf.create(
            {
                "use_vr": False,
                "data_path": str(self._root / "data"),
                "cameras": {
                    name: OmegaConf.load(conf / "cameras" / "cameras" / (name + ".yaml")) for name in CAMERAS
                },
                "robot": robot,
                "scene": OmegaConf.load(conf / "scene" / ("calvin_scene_" + self._scene + ".yaml")),
                "env": OmegaConf.load(conf / "env" / "play_table_env.yaml"),
            }
        )
        self._env = hydra.utils.instantiate(
            config.env, show_gui=False, use_vr=False, use_scene_info=True, use_egl=self._use_egl
        )

    def do_reset(self, seed: int, robot_obs: Any = None, scene_obs: Any = None) -> dict[str, Any]:
        # `seed` is of no use here: without scene_obs the scene is as its configuration says.
        self.open()
        self._env.scene.reset(scene_obs)
        self._env.robot.reset(robot_obs)
        self._env.p.stepSimulation(physicsClientId=self._env.cid)
        return {}

    def do_step(self, action: np.ndarray) -> dict[str, Any]:
        """What env.step does, but for the pictures that it would draw."""
        env = self._env
        env.robot.apply_action(action)
        for _ in range(env.action_repeat):
            env.p.stepSimulation(physicsClientId=env.cid)
        env.scene.step()
        return {}

    def do_observe(self, cameras: list[str], boxes: bool) -> dict[str, Any]:
        if boxes:
            self.do_true_boxes()
        observation = self.do_state()
        for camera in self._env.cameras:
            if camera.name in cameras:
                observation["rgb_" + camera.name] = np.asarray(camera.render()[0], dtype=np.uint8)
        return observation

    def do_state(self) -> dict[str, Any]:
        state = self._env.get_state_obs()
        return {name: np.asarray(state[name], dtype=np.float64) for name in ("robot_obs", "scene_obs")}

    def do_true_boxes(self) -> dict[str, Any]:
        raise RuntimeError("the official simulator tells no boxes; use playtable with its assets")

    def do_target_pose(self) -> dict[str, Any]:
        robot = self._env.robot
        return {"pose": np.concatenate([robot.target_pos, robot.target_orn]).astype(np.float64)}

    def do_info(self) -> dict[str, Any]:
        return {"info": self._env.get_info()}

    def do_description(self) -> dict[str, Any]:
        return {
            "description": {
                "simulator": "calvin_env",
                "renderer": "egl" if self._use_egl else "tiny",
                "digest": content_digest(self._root),
                "pybullet": pybullet_version(),
                "python": sys.version.split()[0],
                "numpy": np.__version__,
                "scene": self._scene,
            }
        }


def content_digest(root: Path) -> str:
    """SHA-256 over names and contents of what calvin_env runs and loads: its modules, conf/ and data/."""
    files = [file for file in (root / "calvin_env").rglob("*.py") if file.is_file()]
    for folder in ("conf", "data"):
        files += [file for file in (root / folder).rglob("*") if file.is_file()]
    total = hashlib.sha256()
    for name, file in sorted((str(file.relative_to(root)), file) for file in files):
        total.update((name + "\0" + hashlib.sha256(file.read_bytes()).hexdigest() + "\n").encode())
    return total.hexdigest()


def pybullet_version() -> str:
    """The package's, with its name where it is a fork's; PyBullet's own getAPIVersion has been the same for years."""
    told = []
    for name, prefix in (("pybullet", ""), ("pybullet-arm64", "pybullet-arm64 ")):
        try:
            told.append(prefix + metadata.version(name))
        except metadata.PackageNotFoundError:
            continue
    return " or ".join(told) or "unknown"  # of two, the one that was installed last is imported


def answer_requests(make: Any) -> None:
    """Answer on this process's pipes until the other side closes them.

    The request `open` makes the simulator: make(**fields) gives an object with a method do_<call> for every
    other request.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # calvin_env and Bullet print to standard output
    requests = sys.stdin.buffer
    simulator: Any = None
    while True:
        request = read_message(requests)
        if request is None:
            return
        call = request.pop("call")
        try:
            if call == "open":
                simulator = make(**request)
                answer = {}
            else:
                answer = getattr(simulator, "do_" + call)(**request)
        except Exception as error:  # told to the other side, which raises it
            answer = {"error": type(error).__name__ + ": " + str(error)}
        write_message(answers, {"error": None, **answer})


if __name__ == "__main__":
    answer_requests(Official)
