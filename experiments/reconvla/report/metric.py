"""What an evaluation of CALVIN counts."""

from __future__ import annotations

from calvin.sequences import CHAIN_LENGTH
from reports.metric import Metric

TASKS_IN_A_ROW = Metric("avg_len", "tasks done in a row", CHAIN_LENGTH, "average length", "avg. len.")
