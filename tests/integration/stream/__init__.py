"""The integration tests of stream."""
