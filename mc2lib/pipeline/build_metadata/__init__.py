"""Lists of all languages from Wikipedia's dumps, page views and WordNets."""
