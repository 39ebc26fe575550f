"""Metadata: sources, ranked entries, one list a language. Source: MetaCLIP 2, §3.1."""
