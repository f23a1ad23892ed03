"""Tests of the error shelf: tables of worked cases and of the rules they stand for."""
