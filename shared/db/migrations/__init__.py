"""The schema's history, one additive step after the other."""
