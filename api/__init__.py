"""The HTTP API: what comes in becomes a move, what is stored goes out as JSON."""
