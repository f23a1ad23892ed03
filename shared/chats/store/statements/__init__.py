"""Statements that are made once, because making one costs as much as running it."""
