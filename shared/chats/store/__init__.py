"""Every SQL statement of chats, private to this shelf."""
