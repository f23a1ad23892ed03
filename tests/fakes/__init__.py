"""Fake model servers: real HTTP, scripted answers, injected faults."""
