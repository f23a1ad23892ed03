"""The files that deploy Stepwell agree with the program."""
