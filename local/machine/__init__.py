"""What is asked of this machine: ports, private files, whether something answers."""
