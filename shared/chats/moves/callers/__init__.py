"""The moves that people and producers make."""
