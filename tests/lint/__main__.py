"""cfn-guard with Control Tower's rules, and checkov, over the templates: python -m tests.lint"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lint import cfn_guard, checkov, rendered, suppressions
from tests.lint.finding import Finding


def findings() -> set[Finding]:
    with TemporaryDirectory() as folder, ThreadPoolExecutor(2) as linters:
        paths = rendered.write(Path(folder))
        running = [linters.submit(each.findings, paths) for each in (cfn_guard, checkov)]
        return set[Finding]().union(*(each.result() for each in running))


def main() -> int:
    return suppressions.status("cfn-guard and checkov", findings, suppressions.FILE)


if __name__ == "__main__":
    sys.exit(main())
