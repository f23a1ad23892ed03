"""The values that a chat is made of. Nothing here reads, writes or decides."""
