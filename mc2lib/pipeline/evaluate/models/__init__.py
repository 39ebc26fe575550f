"""Models to evaluate: open_clip's, transformers', and runs of this library, behind one interface."""
