"""A process that has imported what ours import, and forks one at a word: starts for a tenth."""
