"""PyBullet's two ways to draw without a screen: its own software renderer, and OpenGL through EGL.

CALVIN's datasets and official figures come from EGL. The two give different pixels, and a policy trained on one
does worse on the other.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from benchmark import cameras
from errors import SimulatorError, SimulatorMissing
from settings.suggestions import did_you_mean
from simulators.egl_devices import OF_THIS_PROCESS, egl_environment
from simulators.playtable.bullet import pybullet
from simulators.playtable.client import Client

#: It takes a second; on a machine that is busy with other things, a minute.
_PROBE_SECONDS = 300.0
#: The first two pictures of a process have no shadows yet.
_WARM_UP_PICTURES = 2


@dataclass(frozen=True)
class Renderer:
    """`flag` is PyBullet's. `casts_shadows`: what is hidden changes pixels elsewhere. `one_thread`: in another
    thread than the one that opened it, it draws black or old pictures without a word.
    """

    name: str
    flag: int
    casts_shadows: bool
    one_thread: bool


TINY = Renderer(cameras.TINY, pybullet.ER_TINY_RENDERER, casts_shadows=False, one_thread=False)
EGL = Renderer(cameras.EGL, pybullet.ER_BULLET_HARDWARE_OPENGL, casts_shadows=True, one_thread=True)
_RENDERERS = {renderer.name: renderer for renderer in (TINY, EGL)}
RENDERERS = tuple(_RENDERERS)


def renderer_named(name: str) -> Renderer:
    """Raises SimulatorError for a name that is not one of RENDERERS."""
    if name not in _RENDERERS:
        raise SimulatorError(
            f"renderer {name!r} is unknown; known renderers: {', '.join(RENDERERS)}{did_you_mean(name, RENDERERS)}"
        )
    return _RENDERERS[name]


def open_client(renderer: Renderer, pixels: int) -> Client:
    """A physics server that can draw pictures of up to `pixels` a side with `renderer`; EGL draws on the GPU that this
    process was given.

    Raises SimulatorMissing where EGL was asked for and does not work on this machine.
    """
    if renderer is TINY:
        return Client()
    fault = egl_fault()
    if fault is not None:
        raise SimulatorMissing(fault)
    plugin = _plugin_file()
    with OF_THIS_PROCESS, _native_output_to_stderr(), _variables(egl_environment()):
        client = Client(f"--width={pixels} --height={pixels}")
        if client.loadPlugin(plugin, "_eglRendererPlugin") < 0:
            client.close()
            raise SimulatorMissing(_lacks("the plugin does not load"))
        for _ in range(_WARM_UP_PICTURES):
            client.getCameraImage(pixels, pixels, renderer=renderer.flag)
    return client


def close_client(renderer: Renderer, client: Client) -> None:
    """May be called twice."""
    if renderer is TINY:
        client.close()
    else:
        with OF_THIS_PROCESS, _native_output_to_stderr():
            client.close()


@lru_cache(maxsize=1)
def egl_fault() -> str | None:
    """None where EGL draws here, else a sentence that says why not and what to do.

    Tried once, in a process of its own: without a driver the plugin may crash.
    """
    plugin = _plugin_file()
    if plugin is None:
        return _lacks("this PyBullet was built without the plugin")
    program = (
        "import pybullet as p; p.connect(p.DIRECT);"
        f"ok = p.loadPlugin({plugin!r}, '_eglRendererPlugin') >= 0;"
        "ok and p.getCameraImage(8, 8, renderer=p.ER_BULLET_HARDWARE_OPENGL);"
        "raise SystemExit(0 if ok else 1)"
    )
    try:
        probe = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            timeout=_PROBE_SECONDS,
            env={**os.environ, **egl_environment()},
        )
    except subprocess.TimeoutExpired:
        return _lacks(f"it gave no picture within {_PROBE_SECONDS:.0f} s")
    return None if probe.returncode == 0 else _lacks(f"trying it ended with code {probe.returncode}")


def _plugin_file() -> str | None:
    spec = importlib.util.find_spec("eglRenderer")
    return None if spec is None else spec.origin


def _lacks(reason: str) -> str:
    return (
        f"PyBullet cannot draw with EGL here: {reason}. Install an OpenGL driver with EGL "
        "(the GPU's, or Mesa's libegl1), or use the renderer 'tiny'"
    )


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set while the plugin is loaded. If they stayed, `egl_environment` would take them for the user's, and other
    processes would have them. Others of this process wait meanwhile (`OF_THIS_PROCESS`)."""
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)


@contextmanager
def _native_output_to_stderr() -> Iterator[None]:
    """The plugin prints its greetings on standard output, which is for a command's own. Others of this process wait
    meanwhile (`OF_THIS_PROCESS`): of two at a time the second would take standard error for what was there before."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
