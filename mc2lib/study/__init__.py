"""What the notebooks and the study's commands call."""
