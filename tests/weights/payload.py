"""What an enemy would put into a file."""


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))
