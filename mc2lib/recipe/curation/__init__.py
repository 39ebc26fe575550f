"""Curation: language id, match, count, balance, sample. Source: MetaCLIP 2, §3.2, Algorithm 1."""
