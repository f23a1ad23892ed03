"""Tests of the pure parts of the chat shelf."""
