"""Lock, change, commit, tell: the one way into a chat's row."""
