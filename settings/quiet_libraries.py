"""What libraries say of themselves when they are imported, and nobody here can or need do anything about."""

from __future__ import annotations

import logging

#: bitsandbytes looks on some processors for products that it would have to download; it has its own for those.
_SAY_WHAT_IS_ABSENT = ("bitsandbytes.backends.cpu.ops",)


def quiet_libraries() -> None:
    """Call it before an import that brings them, as diffusers and peft bring bitsandbytes."""
    for name in _SAY_WHAT_IS_ABSENT:
        logging.getLogger(name).setLevel(logging.ERROR)
