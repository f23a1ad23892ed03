"""Children of the supervisor: started, read from, kept running, stopped."""
