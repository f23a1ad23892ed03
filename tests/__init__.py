"""The tests of Stepwell."""
