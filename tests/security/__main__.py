"""bandit and detect-secrets: python -m tests.security. Known vulnerabilities: python -m tests.security audit"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lint import suppressions
from tests.lint.finding import Finding
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
    return suppressions.status("bandit and detect-secrets", findings, SUPPRESSIONS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
