"""Mutated source of classes of a user's own: as files beside a configuration, and as JSON of a state."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from trials.fuzzing.mutations import changed_bytes, changed_text, changed_value

_MARKS = (
    "import os\n", "from . import x\n", "from .... import x\n", "from inner import deep\n", "import inner.deep.x\n",
    "from mine import *\n", "class Mine: ...\n", "Mine = 1\n", "(" * 250, "\0", "\t", "é", "\\\n", "'''", "#", ":", "@",
    "lambda " * 90, "- " * 3000, "x." * 3000, "# coding: utf-7\n", "\f", "def Mine(): ...\n", "import " + "a." * 300,
    "from __future__ import nothing\n", "f'{", "9" * 5000, "import settings.code_source\n", "import é\n",
)  # fmt: skip
_FILES = {
    "mine.py": "import numpy\nfrom beside import helper\nimport inner.deep\n\n\nclass Mine:\n    def detect(self):\n"
    "        return helper\n",
    "beside.py": "from inner import deep\n\nhelper = deep\n",
    "inner/__init__.py": "from . import deep\n",
    "inner/deep.py": "import mine\n\nNUMBER = 1\n",
}
_REFERENCES = ("mine:Mine", "mine:Mine", "mine:Mine", "beside:helper", "inner:deep", "inner.deep:NUMBER", "os:system",
               "inner.none:X", "settings.code_source:Source")  # fmt: skip
_PATHS = (
    "mine.py",
    "../mine.py",
    "/mine.py",
    "a/../b.py",
    "os.py",
    "settings/x.py",
    "x.txt",
    "é.py",
    "a" * 300 + ".py",
)


class OwnCode:
    name = "code"
    readers = ("settings/code_source.py", "settings/regular.py")

    def __init__(self, folder: Path) -> None:
        from settings.code_source import Reference, find_source, source_from_json

        self._folder = folder / "code"
        self._write_sound()
        found = find_source(self._folder, Reference("mine", "Mine"), "here")
        if dict(found.files) != _FILES or source_from_json(dict(found.files)) != found:
            raise AssertionError(f"{sorted(found.files)} were found")

    def meet(self, draw: random.Random) -> None:
        from errors import ConfigError
        from settings.code_source import find_source, reference_of, source_from_json

        if draw.random() < 0.2:
            files = changed_value(draw, {**_FILES, draw.choice(_PATHS): "x"})
            try:
                source_from_json(files if isinstance(files, dict) else {})
            except ValueError as error:  # the end of a sentence, which `db.code` and an import begin
                raise ConfigError(f"code: {error}") from None
            return
        self._write_sound()
        for _ in range(draw.randint(1, 2)):
            self._change(draw, self._folder / draw.choice(sorted(_FILES)))
        reference = reference_of(draw.choice(_REFERENCES))
        assert reference is not None
        source = find_source(self._folder, reference, "gaze.detector")
        if source_from_json(dict(source.files)).digest != source.digest:
            raise AssertionError("a state takes another source than was found")

    def _write_sound(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        for path, text in _FILES.items():
            file = self._folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def _change(self, draw: random.Random, file: Path) -> None:
        if not file.is_file() or file.is_symlink():
            return
        data, how = file.read_bytes(), draw.randrange(8)
        if how < 5:
            text = changed_text(draw, data.decode("utf-8", "replace"), _MARKS)
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
        elif how == 5:
            file.write_bytes(changed_bytes(draw, data))
        else:
            file.unlink()
            other = draw.choice(
                (file.with_name("none"), Path("/etc/hostname"), file, self._folder / "beside.py", None)
            )
            if other is None:
                draw.choice((os.mkfifo, os.mkdir))(file)
            elif how == 6:
                file.symlink_to(other)
