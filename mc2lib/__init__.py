"""The MetaCLIP 2 recipe that anyone can run: metadata, curation, training, evaluation."""

__version__ = "0.1.0"
