"""What Pillow raises over a damaged picture: it unpacks and indexes what chunks hold without looking at their lengths.

MemoryError is none of it: sizes are looked at first, so that too little memory is the machine's.
"""

from __future__ import annotations

import struct

from PIL import Image

DAMAGED = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
    Image.DecompressionBombError,
)
