"""Metadata: sources, ranked entries, one list per language. Source: MetaCLIP 2, §3.1."""
