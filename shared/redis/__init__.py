"""Redis as everything here opens it: quick to give up, typed at the border."""
