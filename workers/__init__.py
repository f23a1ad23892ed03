"""The workers: they take deliveries and drive chats step by step."""
