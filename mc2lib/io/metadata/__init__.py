"""Metadata lists as files: written, united, and compared with the labels of language identification."""
