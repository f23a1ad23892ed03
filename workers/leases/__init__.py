"""The leases of this process: which steps it runs, that it lives, how one is stopped."""
