"""HTTP and JSON, without a word of chats."""
