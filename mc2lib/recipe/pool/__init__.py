"""The packaged pool: a crawl made from real drawings and captions by native speakers."""
