"""Finds what nobody would move again, and moves it: the sweeper and what it does."""
