"""What to type where Baton's libraries are not: in another Python than its own. Needs none of them."""

from __future__ import annotations

import sys

from settings.streams import say

#: What is imported when a command runs, and is in every environment of Baton: names of packages as code has them.
NEEDED = frozenset(
    (
        "PIL", "alembic", "celery", "click", "cv2", "flower", "fsspec", "jinja2", "matplotlib", "numpy",
        "prometheus_client", "psutil", "pybullet", "pydantic", "redis", "requests", "rich", "safetensors", "scipy",
        "sqlalchemy", "statsmodels", "tensorboardX", "torch", "tornado", "transformers", "yaml",
    )
)  # fmt: skip


def say_how(lacks: str = "click") -> int:
    """One sentence on standard error; the exit code. lacks: the library that is not there."""
    import shlex  # on use, which is seldom
    from pathlib import Path

    folder = Path(__file__).resolve().parent.parent
    python = folder / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix) != python.parent.parent:
        words = shlex.join([str(python), str(folder / "cli.py"), *sys.argv[1:]])
        how = f"this is not the Python of Baton's environment (it has no {lacks}); type: {words}"
    else:
        make = f"make -C {shlex.quote(str(folder))} ablation"
        how = f"Baton's libraries are not installed for {sys.executable} (it has no {lacks}); type: {make}"
    say(f"error: {how}", error=True)
    return 3
