"""The unit tests of stream."""
