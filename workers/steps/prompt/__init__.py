"""The request of a model call, built from the history and repaired. Pure."""
