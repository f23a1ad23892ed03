"""What adapters of HTTP dialects share: connections, server-sent events, JSON, errors."""
