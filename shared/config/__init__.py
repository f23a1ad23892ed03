"""The settings of every process, read once from the environment."""
