"""Acts in forked children, as whoever forks them has imported little: each costs the pages of its parent."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

from errors import EnvironmentLacks, Stopped
from tests.crash import moments

#: Exit status of a life that ended with an error of the machine which its command prints in a sentence.
TOLD = 3


def in_child(act: Callable[[], None], words: Path, fault: int = 0) -> int:
    """Exit status of a forked child that acts; negative for a signal. What it raised stands in `words`.

    fault: the number of the OSError that it meets.
    """
    words.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException as error:
            moments.arm(-1)
            moments.arm_fault(None, -1, 0)
            code = TOLD if _is_told(error, fault) else 1
            words.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _is_told(error: BaseException, fault: int) -> bool:
    if isinstance(error, OSError):
        return fault != 0 and error.errno == fault
    return fault != 0 and isinstance(error, (EnvironmentLacks, Stopped))
