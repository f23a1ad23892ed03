"""Tests of tools without any server."""
