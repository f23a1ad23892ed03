"""The stateful test of a chat: its rules, its subject, a model of it, set-ups and moves."""
