"""The moves that workers make."""
