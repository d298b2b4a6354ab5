"""Prints as JSON what EGL tells of its devices, in EGL's order. In a process of its own, as a driver may crash it.

Each is `{"uuid": hex or null, "drm": "/dev/dri/card1" or null, "cuda": number or null}`.
"""

from __future__ import annotations

import ctypes
import json
import os
from typing import Any

#: Of EGL_EXT_device_persistent_id, EGL_EXT_device_drm and EGL_NV_device_cuda.
_UUID, _DRM_FILE, _CUDA = 0x335C, 0x3233, 0x323A
_UUID_BYTES = 16
_MOST_DEVICES = 64

_NUMBER = ctypes.POINTER(ctypes.c_int)
#: Result and arguments of the functions that are asked, by name.
SIGNATURES: dict[str, Any] = {
    "eglQueryDevicesEXT": ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), _NUMBER
    ),
    "eglQueryDeviceStringEXT": ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int),
    "eglQueryDeviceAttribEXT": ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_ssize_t)
    ),
    "eglQueryDeviceBinaryEXT": ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, _NUMBER
    ),
}


def devices(library: Any) -> list[dict[str, Any]]:
    """library: libEGL, or anything with its `eglGetProcAddress`. Empty where it cannot list devices."""
    find = library.eglGetProcAddress
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    calls = {name: _function(find, name) for name in SIGNATURES}
    listing = calls["eglQueryDevicesEXT"]
    handles, count = (ctypes.c_void_p * _MOST_DEVICES)(), ctypes.c_int(0)
    if listing is None or not listing(_MOST_DEVICES, handles, ctypes.byref(count)):
        return []
    return [
        {
            "uuid": _uuid(calls["eglQueryDeviceBinaryEXT"], handle),
            "drm": _drm(calls["eglQueryDeviceStringEXT"], handle),
            "cuda": _cuda(calls["eglQueryDeviceAttribEXT"], handle),
        }
        for handle in handles[: count.value]
    ]


def _function(find: Any, name: str) -> Any:
    address = find(name.encode())
    return SIGNATURES[name](address) if address else None


def _uuid(ask: Any, handle: int | None) -> str | None:
    value, size = (ctypes.c_ubyte * _UUID_BYTES)(), ctypes.c_int(0)
    if ask is None or not ask(handle, _UUID, _UUID_BYTES, value, ctypes.byref(size)):
        return None
    return bytes(value).hex() if size.value == _UUID_BYTES else None


def _drm(ask: Any, handle: int | None) -> str | None:
    told = None if ask is None else ask(handle, _DRM_FILE)
    return None if told is None else told.decode(errors="replace")


def _cuda(ask: Any, handle: int | None) -> int | None:
    value = ctypes.c_ssize_t(-1)
    return value.value if ask is not None and ask(handle, _CUDA, ctypes.byref(value)) else None


if __name__ == "__main__":
    # CUDA's numbers are those of this process: of all GPUs, in nvidia-smi's order.
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    print(json.dumps(devices(ctypes.CDLL("libEGL.so.1"))))
