"""Why a caller is not known, or a key not made. The docstring is the sentence, never the key."""


class AuthError(Exception):
    """The key can't be used."""

    def __str__(self) -> str:
        """Say the class's sentence; what was sent stays out."""
        return type(self).__doc__ or ""


class Unauthenticated(AuthError):
    """The request has no valid key: send 'Authorization: Bearer swk_…'."""


class BadSecret(AuthError):
    """A key has the form swk_ and at least 32 letters, digits, '_' or '-'."""


class NoSuchKey(AuthError):
    """There is no live key with this id: see 'keys list'."""
