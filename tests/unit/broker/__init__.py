"""The queue without a broker."""
