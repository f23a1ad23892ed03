"""Tools: how operators declare them, which there are, and what models get to see of results."""
