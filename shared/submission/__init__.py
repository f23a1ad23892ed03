"""Create a chat or send to one, by id or key: the way in for every producer, below HTTP."""
