"""The error that everything in a report is tested with, two-sided; intervals are of the rest."""

ALPHA = 0.05
