"""Everything fails, at chosen and at random moments, under chats that somebody watches."""
