"""What can keep a machine from running Stepwell, each with a sentence for the person there."""


class LocalError(Exception):
    """Stepwell cannot run here as it is; the text says what to do."""


class ServerFailed(LocalError):
    """A server of our own did not come up; the text ends with its own last words."""

    def __init__(self, name: str, reason: str, last_words: str) -> None:
        """Take the server's name, what was seen from outside, and the end of its log."""
        super().__init__(f"{name} {reason}" + (f":\n{last_words}" if last_words else ""))
        self.name = name


class StartFailed(LocalError):
    """A child that Stepwell needs did not start; its own lines above say why."""

    def __init__(self, name: str, reason: str) -> None:
        """Take the child's name and what was seen from outside."""
        super().__init__(f"{name} {reason}; its lines above say why")
        self.name = name


class ExternalUnreachable(LocalError):
    """A server given by an environment variable does not answer; its URL is a secret."""

    def __init__(self, variable: str, reason: str) -> None:
        """Take the variable that names the server and why it does not answer."""
        super().__init__(f"the server of {variable} does not answer: {reason}")
        self.variable = variable
