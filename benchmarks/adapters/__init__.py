"""What a streamed delta costs our adapters and the official clients, in a process of its own."""
