"""Features in, numbers out: zero-shot, retrieval, geometry, controls, and what they say of the paper's effects."""
