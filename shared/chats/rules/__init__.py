"""Pure rules: what may follow what, which versions a change stamps, where time is booked."""
