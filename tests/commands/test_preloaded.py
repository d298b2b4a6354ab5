"""Modules that are imported ahead."""

from __future__ import annotations

import subprocess
import sys

from tests.support import REPOSITORY


def test_modules_are_there_once_it_was_waited_for() -> None:
    code = (
        "import sys; from commands.preloaded import Preloaded\n"
        "ahead = Preloaded('plistlib', 'no_such_module', 'wave')\n"
        "ahead.wait(); assert 'plistlib' not in sys.modules\n"
        "ahead.begin(); ahead.begin(); ahead.wait()\n"
        "print('plistlib' in sys.modules, 'wave' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert (ended.stdout.split(), ended.stderr) == (["True", "False"], "")
