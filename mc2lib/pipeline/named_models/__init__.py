"""Models by name: configurations of the paper's small worldwide models, next to open_clip's own."""
