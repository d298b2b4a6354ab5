"""What an evaluation of CALVIN counts."""

from __future__ import annotations

from calvin.sequences import CHAIN_LENGTH
from reports.metric import Metric

#: Standard deviation between seeds of a trained model's figure, by column: of the runs of nine and eleven tasks in
#: docs/results, 33 degrees of freedom (95 % interval of the first: 0.047 to 0.092). Toy models; larger ones may differ.
SEED_SPREAD = {"success_1": 0.065, "success_2": 0.042, "avg_len": 0.12}

TASKS_IN_A_ROW = Metric("avg_len", "tasks done in a row", CHAIN_LENGTH, "average length", "avg. len.")
