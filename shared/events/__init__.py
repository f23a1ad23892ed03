"""Events of a chat: their names and bytes, how hints are published and parts are read back."""
