"""Evaluating any CLIP on the paper's benchmarks, or on a set of one's own: `make evaluate MODEL=…`."""
