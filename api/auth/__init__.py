"""Who calls: keys, their secrets, and streams that end with their key."""
