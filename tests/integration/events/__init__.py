"""The integration tests of events."""
