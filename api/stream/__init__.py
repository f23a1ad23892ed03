"""The stream of a chat: where a client stands, what it has to get next, who else gets the same."""
