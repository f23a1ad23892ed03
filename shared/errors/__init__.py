"""Failures of the outside world: their kinds, how they are told apart, and when to retry."""
