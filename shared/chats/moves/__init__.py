"""What may happen to a chat, one module a move."""
