"""Fetching from the web, politely and resumably: one file, and what Wikimedia publishes."""
