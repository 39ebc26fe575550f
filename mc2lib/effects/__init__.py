"""Everything that touches disk, network, processes, GPUs or a cluster."""
