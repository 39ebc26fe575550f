"""Running the study: DVC, papermill, and copies of it at another scale."""
