"""iam-simulate, which evaluates policies as AWS documents it: a package for Node.js, run once for many requests.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.iam.policy import Policy

ROOT = Path(__file__).parents[2]
NODE, PACKAGES = ROOT / ".build" / "node" / "bin" / "node", ROOT / ".build" / "iam"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class Answer:
    """`result` is Allowed, ImplicitlyDenied or ExplicitlyDenied; `ignored` has the condition keys not looked at."""

    result: str
    ignored: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        return self.result == "Allowed"


@dataclass(frozen=True)
class Answers:
    answers: list[Answer]
    sweeps: list[set[tuple[str, str]]]
    """Allowed actions, each with its resource."""


def simulate(
    policies: Mapping[str, Policy], requests: Iterable[Mapping[str, Any]], sweeps: Sequence[Mapping[str, Any]] = ()
) -> Answers:
    """Answers in the order of the requests. AssertionError where one could not be evaluated at all."""
    documents = {name: policy.document for name, policy in policies.items()} | {"everything": EVERYTHING}
    asked = json.dumps({"policies": documents, "requests": list(requests), "sweeps": list(sweeps)})
    command = [str(NODE), str(Path(__file__).with_name("simulate.mjs")), str(PACKAGES)]
    assert (PACKAGES / ".installed").exists(), (
        "`make .build/iam/.installed` installs the simulator, and Node.js for it."
    )
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    answers = [Answer(each["result"], tuple(each["ignored"])) for each in found["answers"]]
    errors = {answer.result for answer in answers if answer.result.startswith("error")}
    assert not errors, errors
    return Answers(answers, [{(each["action"], each["resource"]) for each in sweep} for sweep in found["sweeps"]])
