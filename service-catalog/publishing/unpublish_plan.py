"""What unpublishing has to do: everything that publishing made, in the order in which Service Catalog lets it go.

What others have put beside it stays: a portfolio with products of others keeps its principals and shares, a product
that is in another portfolio too is only taken out of ours. The uploaded files stay: stacks of a version name them.
"""

from collections.abc import Iterator

from found import Found, FoundProduct
from steps import (
    DeleteAction,
    DeletePortfolio,
    DeleteProduct,
    Dismiss,
    Refused,
    RemoveAction,
    RemoveConstraint,
    RemoveProduct,
    Step,
    Unshare,
)


def plan(portfolio: str, found: Found, *, unshare: bool = False) -> tuple[Step, ...]:
    """The steps in their order, none when there is nothing of ours.

    Refused while products are provisioned; and, without `unshare`, while the portfolio is shared, since what other
    accounts have provisioned cannot be seen from here, and without its launch role it could not be terminated.
    """
    reasons = [f"{each} is still provisioned; terminate it first." for each in found.provisioned]
    if found.shares and not found.other_products and not unshare:
        reasons.append(
            f"The portfolio is shared with {', '.join(sorted(found.shares))}, and what is provisioned there cannot "
            "be seen from here. Make sure that nothing is, then use --unshare."
        )
    if reasons:
        raise Refused(*reasons)
    return tuple(_steps(portfolio, found))


def _steps(portfolio: str, found: Found) -> Iterator[Step]:
    is_ours_alone = bool(found.portfolio) and not found.other_products
    if is_ours_alone:
        yield from (Unshare(target, kind) for target, kind in found.shares.items())
        yield from (Dismiss(principal, kind) for principal, kind in found.principals.items())
    for name, product in found.products.items():
        yield from _product_steps(name, product)
    kept = {action for product in found.products.values() if product.in_others for action in _actions(product)}
    yield from (DeleteAction(name) for name in sorted(found.own_actions - kept))
    if is_ours_alone:
        yield DeletePortfolio(portfolio)


def _product_steps(name: str, product: FoundProduct) -> Iterator[Step]:
    yield from (RemoveConstraint(name, constraint.id) for constraint in product.constraints)
    if product.in_portfolio:
        yield RemoveProduct(name)
    if product.in_others:
        return
    for version in product.versions:
        yield from (RemoveAction(name, version.name, action) for action in version.actions)
    yield DeleteProduct(name)


def _actions(product: FoundProduct) -> set[str]:
    return {action for version in product.versions for action in version.actions}
