"""The chat: its types, its rules and the two doors into and out of its row."""
