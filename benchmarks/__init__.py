"""Measures what Stepwell costs on this machine, each figure beside its floor."""
