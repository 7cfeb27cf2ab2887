"""One error root, so that only the command line has to know about exit codes.

Every message says what is wrong, where, and what to do next.
"""

from __future__ import annotations


class TracelabError(Exception):
    """Base of all errors that tracelab raises on purpose. `exit_code` is what the command line ends with."""

    exit_code = 2


class InputError(TracelabError):
    """A file or a request body is not what it claims to be."""


class RecordError(InputError):
    """One record is wrong; the records around it may be fine.

    `where` is a path to the field (`resourceSpans[0].scopeSpans[0].spans[3].traceId`), `expected` a sentence.
    """

    def __init__(self, where: str, expected: str) -> None:
        super().__init__(f"{where}: {expected}")
        self.where = where
        self.expected = expected


class TooLargeError(InputError):
    """There is more of it than may be."""


class LakeError(TracelabError):
    """The lake's folder cannot be read or written."""


class UsageError(TracelabError):
    """An option's value makes no sense."""


class CheckError(TracelabError):
    """A check that the user asked for did not hold."""

    exit_code = 1
