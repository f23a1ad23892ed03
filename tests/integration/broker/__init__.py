"""The queue against a real Valkey and real worker processes."""
