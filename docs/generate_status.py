"""Draw the pictures of `status --watch` that README and docs show, of a home that works just now.

python cli.py --home HOME submit-ablation --preset smoke --seeds 0,1 --set training.steps=150 --detach
python cli.py --home HOME up --gpus none --cpus 1 &
python -m docs.generate_status HOME [--chromium chromium]
"""

from __future__ import annotations

import argparse
import html
import io
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from db.migrate import look_at_state
from db.silence import Hearing
from docs.generate_figures import REPOSITORY
from docs.generate_pictures import HEADLESS
from settings.home import Home
from views.status import status_document
from views.status_screen import status_screen

#: Picture, and columns of the terminal.
_PICTURES = (("status.png", 80), ("status-wide.png", 200))
#: CSS pixels of a character at its size, a line, and of what is around them.
_COLUMN, _LINE, _AROUND = 12.2, 24.4, 18

_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #292929; }}
h1 {{ font: 600 16px sans-serif; text-align: center; margin: 10px 0; color: #c5c8c6; }}
pre {{ margin: 0 9px 9px; font: 20px/{line}px "DejaVu Sans Mono", monospace; color: #d9d9d9; }}
{styles}
</style><h1>{title}</h1><pre>{code}</pre>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("--chromium", default="chromium")
    arguments = parser.parse_args()
    home = Home(arguments.home)
    database = look_at_state(home)
    hearing = Hearing()
    status_document(home, database, None, hearing)
    time.sleep(2.0)
    document = status_document(home, database, None, hearing)
    database.close()
    with tempfile.TemporaryDirectory() as folder:
        for name, width in _PICTURES:
            page = Path(folder) / "status.html"
            text, lines = _page(document, width)
            page.write_text(text, encoding="utf-8")
            size = f"--window-size={round(width * _COLUMN) + _AROUND},{round(lines * _LINE) + 3 * _AROUND}"
            picture = REPOSITORY / "docs" / name
            shown = (*HEADLESS, "--hide-scrollbars", size, f"--screenshot={picture}", page.as_uri())
            subprocess.run([arguments.chromium, *shown], check=True, capture_output=True)
            print(f"wrote docs/{name}")


def _page(document: Mapping[str, Any], width: int) -> tuple[str, int]:
    """(the page, its lines)."""
    drawn = io.StringIO()
    console = Console(record=True, width=width, force_terminal=True, color_system="truecolor", file=drawn)
    console.print(status_screen(document, time.time(), width))
    made = console.export_html(theme=DIMMED_MONOKAI, code_format="{stylesheet}\0{code}")
    styles, _, code = made.partition("\0")
    title = html.escape("python cli.py status --watch")
    page = _PAGE.format(line=_LINE, styles=styles, title=title, code=code)
    return page, drawn.getvalue().count("\n")


if __name__ == "__main__":
    main()
