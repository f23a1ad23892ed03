"""Runs the built-in tools of a step: claims, threads, time limits, the ledger."""
