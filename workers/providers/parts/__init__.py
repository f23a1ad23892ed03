"""What adapters do with the parts of messages, whatever the dialect."""
