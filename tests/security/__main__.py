"""bandit and detect-secrets: python -m tests.security. Known vulnerabilities: python -m tests.security audit"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lint import suppressions
from tests.lint.finding import Finding, LinterFailed
from tests.security import bandit, secrets
from tests.security.audit import audit

SUPPRESSIONS = Path(__file__).with_name("suppressions.toml")


def findings() -> set[Finding]:
    with ThreadPoolExecutor(2) as linters:
        running = [linters.submit(bandit.findings), linters.submit(secrets.findings, secrets.tracked())]
        return set[Finding]().union(*(each.result() for each in running))


def main(*words: str) -> int:
    if words == ("audit",):
        status, lines = audit()
        print("\n".join(lines), file=sys.stderr if status else sys.stdout)
        return status
    reasons = suppressions.read(SUPPRESSIONS.read_text())
    try:
        faults = suppressions.faults(findings(), reasons)
    except LinterFailed as failure:
        faults = [str(failure)]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"bandit and detect-secrets: nothing but what {SUPPRESSIONS.name} has a reason for ({len(reasons)})")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
