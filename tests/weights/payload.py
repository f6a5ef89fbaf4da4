"""The payload of hostile files."""

import os


class Evil:
    """Unpickled, it makes a file, by a module that torch blocks by name."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (os.mknod, (str(self.trace),))


class Sly(Evil):
    """By one that torch does not know."""

    def __reduce__(self):
        return (open, (str(self.trace), "w"))
