"""Who of this agency's people may see and decide what is referred. Pure."""

from collections.abc import Collection
from datetime import date

from agency_node.users import User
from federation.policy.catalogue import Catalogue


def is_fit(user: User, today: date) -> bool:
    """Whether a person may decide anything at all: trained, under nobody's supervision, with no interest declared."""
    return user.is_trained(today) and not user.conflicted and not user.supervised


def may_decide(user: User, roles: Collection[str], catalogue: Catalogue, today: date) -> bool:
    """Whether a person works here, is fit, and what names these roles or grants is for them."""
    return user.is_employed(today) and is_fit(user, today) and is_for(user, roles, catalogue)


def decides(user: User, catalogue: Catalogue) -> bool:
    """Whether a person's role, or one of their grants, is one by which the bundle lets people decide."""
    role = catalogue.roles.get(user.role)
    granted = (catalogue.grants.get(grant) for grant in user.grants)
    return any(right is not None and right.decides for right in (role, *granted))


def is_for(user: User, roles: Collection[str], catalogue: Catalogue) -> bool:
    """Whether a referral is for a person.

    One that names roles or grants is for those who have one of them, and for nobody else; others for whoever decides.
    """
    return not {user.role, *user.grants}.isdisjoint(roles) if roles else decides(user, catalogue)
