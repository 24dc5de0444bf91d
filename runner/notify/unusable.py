"""What a person must mend before notifications can be sent; ``cli`` makes a problem of a setting of it."""

from __future__ import annotations


class Unusable(Exception):
    """A setting of ``notify``, or a file that it names, cannot be used. Holds no secret."""

    def __init__(self, setting: str, what: str, remedy: str) -> None:
        """``setting``: below ``notify``, as ``templates`` or ``channels.mail``."""
        super().__init__(f"notify.{setting} {what}; {remedy}")
        self.setting = setting
        self.what = what
        self.remedy = remedy
