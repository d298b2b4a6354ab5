"""A share of frames, where frames of one demonstration are alike: the unit is the demonstration."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy import special, stats

from reports.level import ALPHA
from reports.methods import Interval


def grouped_share_interval(hits: Sequence[float], counts: Sequence[int]) -> Interval | None:
    """95 % interval of sum(hits) / sum(counts) over other demonstrations; one entry for each demonstration with frames.

    Student's t of a ratio over whole demonstrations (Cochran 1977, section 2.11), on log odds, as a share near 0 or 1
    scatters unevenly. Where all have the same share, 0 or 1 say, each demonstration counts as one trial (Wilson). None
    of fewer than two.
    """
    pairs = [(hit, count) for hit, count in zip(hits, counts, strict=True) if count]
    if len(pairs) < 2:
        return None
    hit, count = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    share = float(hit.sum() / count.sum())
    rest = hit - share * count
    groups = len(pairs)
    if float(np.abs(rest).max()) < 1e-9:
        from statsmodels.stats.proportion import proportion_confint  # on use, as it loads pandas

        low, high = proportion_confint(share * groups, groups, alpha=ALPHA, method="wilson")
        return float(low), float(high)
    error = sqrt(groups / (groups - 1) * float((rest**2).sum())) / float(count.sum())
    half = float(stats.t.ppf(1 - ALPHA / 2, groups - 1)) * error / (share * (1 - share))
    middle = float(special.logit(share))
    return float(special.expit(middle - half)), float(special.expit(middle + half))
