"""The load client: plays clients of Stepwell and of the fake model, in its own process."""
