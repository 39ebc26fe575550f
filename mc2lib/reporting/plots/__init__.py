"""Arrays and data frames in, figures out."""
