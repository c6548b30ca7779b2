"""What publishing and unpublishing can do, one value per call that writes; `str()` says it in words.

Steps name portfolio and products by their names: their ids may not exist before an earlier step is done.
"""

from dataclasses import dataclass
from pathlib import Path

from release import Action


@dataclass(frozen=True, slots=True)
class UploadFile:
    bucket: str
    key: str
    path: Path
    sha256: str

    def __str__(self) -> str:
        return f"upload {self.path.name} to s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class CreatePortfolio:
    portfolio: str
    provider: str

    def __str__(self) -> str:
        return f"create portfolio {self.portfolio!r} of {self.provider!r}"


@dataclass(frozen=True, slots=True)
class CreateProduct:
    product: str
    owner: str
    description: str
    version: str
    about: str
    url: str

    def __str__(self) -> str:
        return f"create product {self.product!r} with version {self.version} from {self.url}"


@dataclass(frozen=True, slots=True)
class AddVersion:
    product: str
    version: str
    about: str
    url: str

    def __str__(self) -> str:
        return f"add version {self.version} to {self.product!r} from {self.url}"


@dataclass(frozen=True, slots=True)
class AwaitVersion:
    product: str
    version: str

    def __str__(self) -> str:
        return f"wait until version {self.version} of {self.product!r} is available"


@dataclass(frozen=True, slots=True)
class AddProduct:
    product: str

    def __str__(self) -> str:
        return f"put {self.product!r} into the portfolio"


@dataclass(frozen=True, slots=True)
class AddLaunchRole:
    product: str
    role: str

    def __str__(self) -> str:
        return f"launch {self.product!r} with each account's own role {self.role}"


@dataclass(frozen=True, slots=True)
class ChangeLaunchRole:
    product: str
    role: str
    constraint: str
    before: str

    def __str__(self) -> str:
        return f"launch {self.product!r} with each account's own role {self.role}, no longer with {self.before}"


@dataclass(frozen=True, slots=True)
class Admit:
    principal: str

    def __str__(self) -> str:
        return f"let {self.principal} use the portfolio"


@dataclass(frozen=True, slots=True)
class ShareWith:
    target: str

    def __str__(self) -> str:
        return f"share the portfolio with {self.target}"


@dataclass(frozen=True, slots=True)
class CreateAction:
    action: Action
    about: str

    def __str__(self) -> str:
        return f"create service action {self.action.name!r} from document {self.action.document}"


@dataclass(frozen=True, slots=True)
class AddAction:
    product: str
    version: str
    action: str

    def __str__(self) -> str:
        return f"offer {self.action!r} with version {self.version} of {self.product!r}"


@dataclass(frozen=True, slots=True)
class Recommend:
    product: str
    version: str

    def __str__(self) -> str:
        return f"offer version {self.version} of {self.product!r} again"


@dataclass(frozen=True, slots=True)
class Deprecate:
    product: str
    version: str

    def __str__(self) -> str:
        return f"mark version {self.version} of {self.product!r} as deprecated"


@dataclass(frozen=True, slots=True)
class RemoveAction:
    product: str
    version: str
    action: str

    def __str__(self) -> str:
        return f"take {self.action!r} from version {self.version} of {self.product!r}"


@dataclass(frozen=True, slots=True)
class DeleteAction:
    action: str

    def __str__(self) -> str:
        return f"delete service action {self.action!r}"


@dataclass(frozen=True, slots=True)
class RemoveConstraint:
    product: str
    constraint: str

    def __str__(self) -> str:
        return f"delete constraint {self.constraint} of {self.product!r}"


@dataclass(frozen=True, slots=True)
class Dismiss:
    principal: str
    kind: str

    def __str__(self) -> str:
        return f"no longer let {self.principal} use the portfolio"


@dataclass(frozen=True, slots=True)
class Unshare:
    target: str
    kind: str

    def __str__(self) -> str:
        return f"no longer share the portfolio with {self.target}"


@dataclass(frozen=True, slots=True)
class RemoveProduct:
    product: str

    def __str__(self) -> str:
        return f"take {self.product!r} out of the portfolio"


@dataclass(frozen=True, slots=True)
class DeleteProduct:
    product: str

    def __str__(self) -> str:
        return f"delete product {self.product!r} and its versions"


@dataclass(frozen=True, slots=True)
class DeletePortfolio:
    portfolio: str

    def __str__(self) -> str:
        return f"delete portfolio {self.portfolio!r}"


type Step = (
    UploadFile
    | CreatePortfolio
    | CreateProduct
    | AddVersion
    | AwaitVersion
    | AddProduct
    | AddLaunchRole
    | ChangeLaunchRole
    | Admit
    | ShareWith
    | CreateAction
    | AddAction
    | Recommend
    | Deprecate
    | RemoveAction
    | DeleteAction
    | RemoveConstraint
    | Dismiss
    | Unshare
    | RemoveProduct
    | DeleteProduct
    | DeletePortfolio
)


class Refused(Exception):
    """Nothing may be done; `reasons` are sentences, all that there are."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons
