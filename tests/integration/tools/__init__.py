"""Tests of tools with a real database."""
