"""Tests of shared/submission."""
