"""What leaves a chat while it runs: hints, parts, their buffer, and the way to receive them."""
