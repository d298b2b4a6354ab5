"""The table of docs/statistics.md, of benchmarks/results/early_stopping.json."""

from __future__ import annotations

from docs.generate_figures import held, percent, table

_COLUMNS = {
    "falls by 1 % a window": "pays just `min_gain`", "plateau": "plateau",
    "steep, then a plateau": "steep, then a plateau",
}  # fmt: skip


def ended() -> str:
    """Shares of simulated runs that are ended early; of those that should not be with the upper 95 % bound."""
    document = held("benchmarks/results/early_stopping.json")
    rows: dict[tuple[float, float, float], dict[str, str]] = {}
    for cell in document["cells"]:
        row = rows.setdefault((cell["apart"], cell["together"], cell["rho"]), {})
        found = cell["ended"]
        row[cell["run"]] = percent(found["share"])
        if "ended_as_before" in cell:
            row[cell["run"]] += f" (at most {percent(found['high'])})"
            row["before"] = percent(cell["ended_as_before"]["share"])
    head = ["noise", "correlation", *_COLUMNS.values(), "pays, if noise counts as independent"]
    return table(
        head,
        (
            [
                f"{percent(apart)}, {percent(together)}",
                f"{rho:g}",
                *(row[name] for name in (*_COLUMNS, "before")),
            ]
            for (apart, together, rho), row in rows.items()
        ),
    )
