"""Tests of the chat shelf against a real database."""
