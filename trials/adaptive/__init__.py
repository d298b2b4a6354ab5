"""Ablations whose jobs are stood in for, so that only the queue, the plans and the decisions are at work."""
