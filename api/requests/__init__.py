"""What a request passes before its handler, and what handlers ask of it."""
