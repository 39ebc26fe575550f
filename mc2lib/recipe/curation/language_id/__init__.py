"""Language identification by fastText classifiers, label for label what the `fasttext` package says."""
