"""Failures of the outside world: their kinds, our words for them, and how long to wait."""
