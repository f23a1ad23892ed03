"""Unit tests of settings and catalog."""
