"""Tests of the API over real sockets, with a real database and a real Valkey."""
