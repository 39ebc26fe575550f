"""From a pool of any format to a curated pool."""
