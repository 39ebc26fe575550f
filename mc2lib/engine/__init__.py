"""Running tasks on processes or on Ray; locks, progress."""
