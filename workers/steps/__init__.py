"""One step of a chat: a pipeline from the delivery to the commit."""
