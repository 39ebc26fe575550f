"""Pools of others: one file per format."""
