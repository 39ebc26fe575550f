"""Commands: the arguments that they take, and the one call that each of them makes."""
