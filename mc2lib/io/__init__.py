"""Files and formats; no stage's logic."""
