"""Finished runs as folders that other libraries open: `make export-model RUN=… AS=… TO=…`."""
