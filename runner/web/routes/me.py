"""Me: who sends a request, and what they may do where."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response

from runner.web.callers import Caller
from runner.web.documented import LISTING, PREFIX, problems
from runner.web.parts import CalledBy, Given, WebComponents
from runner.web.routing import ExactRoute, as_json
from runner.web.shapes import Domains, Me

router: Final = APIRouter(prefix=PREFIX, route_class=ExactRoute, tags=["me"])


@router.get("/me", response_model=Me, responses=problems(*LISTING))
async def show_me(parts: Given, caller: CalledBy) -> Response:
    """Who I am, and what I may do in which domain."""
    return as_json(
        {
            "user": caller.user,
            "name": caller.name,
            "roles": sorted(caller.roles),
            "tenant": caller.tenant,
            "issuer": caller.issuer,
            "domains": _domains(parts, caller),
        }
    )


@router.get("/domains", response_model=Domains, responses=problems(*LISTING))
async def list_domains(parts: Given, caller: CalledBy) -> Response:
    """The domains that I can reach."""
    return as_json({"domains": _domains(parts, caller)})


def _domains(parts: WebComponents, caller: Caller) -> list[dict[str, Any]]:
    """Return the domains by name; what may be done in each is what ``rights`` lets through."""
    domains = parts.policy.domains
    return [_domain(parts, caller, name) for name in sorted(caller.domains) if name in domains]


def _domain(parts: WebComponents, caller: Caller, name: str) -> dict[str, Any]:
    domain = parts.policy.domains[name]
    is_admin = domain.admin_role is not None and domain.admin_role in caller.roles
    return {
        "name": name,
        "isAdmin": is_admin,
        "mayStart": bool(domain.start_roles)
        and (is_admin or not caller.roles.isdisjoint(domain.start_roles)),
        "mayTimeOut": is_admin or not caller.roles.isdisjoint(domain.timeout_roles),
        "mayDefine": is_admin,
        "requiresDefinition": domain.requires_definition,
        "requiresOwner": domain.requires_owner,
        "anyoneEligibleCompletes": domain.anyone_eligible_completes,
    }
