"""Tests of shared/db without a database."""
