"""What the notebooks of notebooks/explore/ show: each a small class that computes, and the widgets that drive it."""
