"""The same recipe on a pool of one's own."""
