"""The moves that the engine makes."""
