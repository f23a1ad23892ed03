"""The fake that ships: a model that follows a script in the message, and needs no key."""
