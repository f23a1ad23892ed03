"""The moves that people make."""
