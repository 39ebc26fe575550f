"""The paper's benchmarks: one small file per set, which reads its official layout from a folder."""
