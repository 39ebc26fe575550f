"""The paper's recipe, in order; pure functions."""
