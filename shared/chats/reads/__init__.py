"""Questions about chats that take no lock: an answer is as old as its statement."""
