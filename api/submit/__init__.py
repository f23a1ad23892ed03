"""Makes the moves that a caller asks for, and writes what they answer."""
