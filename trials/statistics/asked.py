"""What rliable and statsmodels say of a results.csv: run by an interpreter that has them, and knows nothing of Baton.

    python asked.py RESULTS.csv BASELINE ARM

Prints one JSON document. By arm: seeds' means as one task, whose mean and interval of runs drawn anew are rliable's; of
the two arms: statsmodels' Welch test and interval, its crossed mean squares, its exact McNemar test of one pair of
models, and the probability of improvement of rliable.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import numpy as np
import pandas
import statsmodels.formula.api
from rliable import library, metrics
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

DRAWS = 20_000


def main() -> None:
    file, baseline, arm = sys.argv[1:]
    table = pandas.read_csv(file)
    scores = {
        name: rows.pivot(index="seed", columns="episode", values="result").to_numpy(dtype=float)
        for name, rows in table.groupby("arm")
    }
    of_seeds = {name: matrix.mean(axis=1) for name, matrix in scores.items()}
    runs = {name: means[:, None] for name, means in of_seeds.items()}
    points, intervals = library.get_interval_estimates(
        runs, lambda values: np.array([metrics.aggregate_mean(values)]), reps=DRAWS,
        random_state=np.random.RandomState(0),
    )  # fmt: skip
    a, b = of_seeds[baseline], of_seeds[arm]
    compared = CompareMeans(DescrStatsW(b), DescrStatsW(a))
    p_values = {
        name: CompareMeans(DescrStatsW(means), DescrStatsW(a)).ttest_ind(usevar="unequal")[1]
        for name, means in of_seeds.items()
        if name != baseline
    }
    first = {name: (matrix[0] >= 1) for name, matrix in scores.items()}
    both = np.array(
        [[np.sum((first[baseline] == x) & (first[arm] == y)) for y in (True, False)] for x in (True, False)]
    )
    print(
        json.dumps(
            {
                "versions": {
                    name: version(name)
                    for name in ("rliable", "statsmodels", "scipy", "pandas", "orbit-eval")
                },
                "means": {name: float(found[0]) for name, found in points.items()},
                "intervals": {name: found[:, 0].tolist() for name, found in intervals.items()},
                "welch": {
                    "p_value": float(compared.ttest_ind(usevar="unequal")[1]),
                    "interval": list(map(float, compared.tconfint_diff(usevar="unequal"))),
                },
                "holm": dict(
                    zip(p_values, map(bool, multipletests(list(p_values.values()), method="holm")[0]))
                ),
                "mean_squares": {name: squares(matrix) for name, matrix in scores.items()},
                "mcnemar": float(mcnemar(both, exact=True).pvalue),
                "agresti_coull": list(
                    map(
                        float,
                        proportion_confint(first[arm].sum(), len(first[arm]), method="agresti_coull"),
                    )
                ),
                "probability_of_improvement": float(
                    metrics.probability_of_improvement(runs[arm], runs[baseline])
                ),
            }
        )
    )


def squares(matrix: np.ndarray) -> list[float]:
    """Of seeds, sequences and cells, of the ordinary crossed layout."""
    frame = pandas.DataFrame(
        [(str(s), str(q), value) for (s, q), value in np.ndenumerate(matrix)],
        columns=["seed", "sequence", "value"],
    )
    fitted = statsmodels.formula.api.ols("value ~ C(seed) + C(sequence)", frame).fit()
    return list(map(float, anova_lm(fitted)["mean_sq"]))


if __name__ == "__main__":
    main()
