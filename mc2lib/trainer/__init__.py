"""One rank of a training run, and how ranks are started."""
