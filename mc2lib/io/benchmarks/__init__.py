"""Benchmarks: what one is, all of them by name, and readers of sets that the paper does not fix."""
