"""The unit tests of events."""
