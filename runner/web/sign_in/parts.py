"""WebComponents: what the routes of sign-in work with, made by ``cli/wiring``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.web.sign_in.origin import OwnOrigin
from runner.web.sign_in.session_callers import SessionCallers
from runner.web.sign_in.session_watch import SessionWatch
from runner.web.sign_in.signing_in import SigningIn


@dataclass(frozen=True, slots=True)
class SignInParts:
    """What the routes of sign-in work with."""

    signing_in: SigningIn
    callers: SessionCallers
    own: OwnOrigin
    watch: SessionWatch
    targets: tuple[str, ...] = ()
    """Origins of the issuers, where the form of sign-out leads."""
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Where people say themselves who they are: who there is, and their roles."""
