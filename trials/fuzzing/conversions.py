"""Mutated halves of conversions: what `data convert` finds of one that was killed, and of one that ended."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

from trials.fuzzing.mutations import changed_bytes, changed_value

_FORMS = ("v3.0 png float64", "v2.1 png float64", "calvin")


class Conversions:
    name = "conversions"
    readers = ("calvin/conversion/*.py", "calvin/split_summary.py", "settings/folders.py")

    def __init__(self, folder: Path) -> None:
        from tests.calvin.conversion.converting import bytes_of, dataset

        self._source = dataset(folder / "source", 3)
        self._dst, self._aside = folder / "dst", folder / ".partial.dst"
        self._ends: dict[str, dict[str, str]] = {}
        self._begun, self._whole = {}, {}
        for number, form in enumerate(_FORMS):
            self._begun[form], self._whole[form] = folder / f"begun-{number}", folder / f"whole-{number}"
            parts = self._convert(form)
            next(parts)
            shutil.copytree(self._aside, self._begun[form])
            list(parts)
            self._ends[form] = bytes_of(self._dst)
            self._dst.rename(self._whole[form])
            shutil.copytree(self._begun[form], self._aside)
            list(self._convert(form))
            if bytes_of(self._dst) != self._ends[form]:
                raise AssertionError(f"{form}: another end after a stop")
            shutil.rmtree(self._dst)

    def meet(self, draw: random.Random) -> None:
        from tests.calvin.conversion.converting import bytes_of

        for place in (self._dst, self._aside):
            shutil.rmtree(place, ignore_errors=True)
        form = draw.choice(_FORMS)
        if draw.random() < 0.8:
            shutil.copytree(self._begun[form], self._aside)
            file = draw.choice(sorted((self._aside / "parts").iterdir()))
            is_forged = _change(draw, file)
        else:
            shutil.copytree(self._whole[form], self._dst)
            file = self._dst / "conversion.json"
            is_forged = _change(draw, file)
        was_whole = self._dst.exists()
        list(self._convert(form))
        found, wanted = bytes_of(self._dst), self._ends[form]
        if is_forged:
            return
        # What says the same in other words counts as finished, and is left as it is.
        others = [name for name in {*found, *wanted} if found.get(name) != wanted.get(name)]
        if others and not (was_whole and others == [file.name]):
            raise AssertionError(f"{form}: other bytes in {others[:3]}")

    def _convert(self, form: str) -> Any:
        """Parts of one demonstration."""
        from calvin.conversion import convert
        from calvin.conversion.source import opened_source
        from calvin.split import NOTHING_SAID
        from tests.calvin.conversion.converting import target_of

        source = opened_source(self._source, NOTHING_SAID, False)
        with mock.patch.object(convert, "PART", 1), mock.patch("os.sync"):
            yield from convert.convert(source, target_of(source, form), self._dst)


def _change(draw: random.Random, file: Path) -> bool:
    """Whether what it says of an episode is another, under a right seal."""
    from calvin.conversion.convert import _seal

    content = json.loads(file.read_bytes())
    how = draw.random()
    if how < 0.2:
        file.write_bytes(changed_bytes(draw, file.read_bytes()))
    elif how < 0.25:
        file.unlink()
    elif how < 0.6 and "facts" in content:
        facts = changed_value(draw, content["facts"])
        file.write_text(json.dumps({**content, "facts": facts, "seal": _seal(facts)}))
        return bool(facts != content["facts"])
    else:
        file.write_text(json.dumps(changed_value(draw, content)))
    return False
