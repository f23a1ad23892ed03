"""Who calls: keys, their owners and roles."""
