"""What is in Service Catalog and in the bucket of files, as values; `look` finds it, the plans decide by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

DEPRECATED = "DEPRECATED"
LAUNCH = "LAUNCH"


@dataclass(frozen=True, slots=True)
class Version:
    id: str
    name: str
    guidance: str = "DEFAULT"
    active: bool = True
    status: str = "AVAILABLE"
    """Known of the wanted version only: AVAILABLE, CREATING, FAILED."""
    actions: tuple[str, ...] = ()
    """Names of its service actions."""

    @property
    def is_offered(self) -> bool:
        return self.active and self.guidance != DEPRECATED


@dataclass(frozen=True, slots=True)
class Constraint:
    id: str
    kind: str
    role: str = ""
    """Of a launch constraint: its local role's name, or the ARN of one role for all accounts."""


@dataclass(frozen=True, slots=True)
class FoundProduct:
    id: str
    versions: tuple[Version, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    """In our portfolio."""
    in_portfolio: bool = False
    in_others: bool = False

    def version(self, name: str) -> Version | None:
        return next((version for version in self.versions if version.name == name), None)


@dataclass(frozen=True, slots=True)
class Found:
    portfolio: str | None = None
    """Its id."""
    products: Mapping[str, FoundProduct] = field(default_factory=dict)
    """By name; ours only."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Key -> SHA-256 in Base64, empty where S3 does not know it."""
    roles: frozenset[str] = frozenset()
    """Launch roles of this account."""
    principals: Mapping[str, str] = field(default_factory=dict)
    """ARN -> IAM or IAM_PATTERN."""
    shares: Mapping[str, str] = field(default_factory=dict)
    """Id of a unit, an organisation or an account -> kind of share."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """Name -> id of each service action of the account."""
    own_actions: frozenset[str] = frozenset()
    """Names of those that publishing made and that no product but ours uses."""
    other_products: tuple[str, ...] = ()
    """Names of what else is in the portfolio."""
    provisioned: tuple[str, ...] = ()
    """In words, the provisioned products of ours in this account."""
