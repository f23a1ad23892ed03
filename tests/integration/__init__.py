"""Tests against real servers and sockets."""
