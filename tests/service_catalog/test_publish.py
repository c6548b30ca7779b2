"""Publishing and unpublishing, whole, on an account in memory that refuses what AWS refuses."""

import json

import publish
import pytest
import release
import unpublish
from function_zip import ROOT

from tests.service_catalog.catalog_account import ACCOUNT, READING, Account

UNIT = "ou-ab12-cdefghij"
OTHER_ACCOUNT = "444444444444"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/provisioners/data-team"
ARGUMENTS = (
    *("--bucket", "acme-artifacts", "--share-with", UNIT, "--share-with", OTHER_ACCOUNT),
    *("--principal", ROLE, "--document", "s3-hydration-backfill"),
)
REMOVED = {
    name: []
    for name in ("portfolios", "members", "versions", "constraints", "principals", "shares", "actions", "offers")
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A source tree with templates and zips of a few bytes: what they hold does not matter here."""
    root = tmp_path_factory.mktemp("source")
    for name in release.TEMPLATES:
        (root / "service-catalog" / name).mkdir(parents=True)
        (root / "service-catalog" / name / "template.yaml").write_text(f"Description: {name}\n")
    return root


@pytest.fixture
def version(source, monkeypatch):
    """Sets the version that is published; no zip is built."""

    def build(arch, *, root):
        path = source / f"s3-hydration-{arch}.zip"
        path.write_bytes(arch.encode())
        return path

    def set_version(number):
        (source / "pyproject.toml").write_text(f'[project]\nversion = "{number}"\n')

    whole = release.release
    monkeypatch.setattr(release, "build", build)
    monkeypatch.setattr(publish, "release", lambda *a, **k: whole(*a, **k, root=source))
    monkeypatch.setattr("carry_out.SECONDS", 0)
    set_version("1.0.0")
    return set_version


@pytest.fixture
def account(version):
    return Account()


def publishes(account, *more):
    return publish.main([*ARGUMENTS, *more], account.session)


def unpublishes(account, *more):
    return unpublish.main(list(more), account.session)


def test_a_dry_run_writes_nothing_and_says_all_that_it_would_do(account, capsys):
    assert publishes(account) == 0
    assert account.writes == []
    assert all(call.startswith(READING) for call in account.calls)
    said = capsys.readouterr().out
    assert f"account {ACCOUNT}, eu-west-1" in said
    assert "upload s3-hydration-arm64.zip to s3://acme-artifacts/s3-hydration/1.0.0/s3-hydration-arm64.zip" in said
    assert f"share the portfolio with {UNIT}" in said
    assert said.endswith("Nothing was done. With --apply, it is done.\n")


def test_with_apply_both_products_are_there_for_those_who_may_use_them(account):
    assert publishes(account, "--apply") == 0
    products = ("S3 Hydration Consumer", "S3 Hydration Producer")
    assert account.summary() == {
        "portfolios": [("S3 Hydration", "S3 Hydration")],
        "members": [("S3 Hydration", product) for product in products],
        "versions": [(product, "1.0.0", "DEFAULT") for product in products],
        "constraints": [
            ("S3 Hydration Consumer", "s3-hydration-launch-consumer"),
            ("S3 Hydration Producer", "s3-hydration-launch-producer"),
        ],
        "principals": [(ROLE, "IAM")],
        "shares": [(OTHER_ACCOUNT, "ACCOUNT"), (UNIT, "ORGANIZATIONAL_UNIT")],
        "actions": ["s3-hydration-backfill"],
        "offers": [("S3 Hydration Consumer", "1.0.0", "s3-hydration-backfill")],
        "objects": [
            "s3-hydration/1.0.0/consumer.yaml",
            "s3-hydration/1.0.0/producer.yaml",
            "s3-hydration/1.0.0/s3-hydration-arm64.zip",
            "s3-hydration/1.0.0/s3-hydration-x86_64.zip",
        ],
    }


def test_the_launch_gives_a_service_actions_role_so_the_user_is_not_asked_for_it(account):
    publishes(account, "--apply")
    (action,) = account.actions.values()
    assert action["Definition"] == {
        "Name": "s3-hydration-backfill",
        "Version": "3",
        "AssumeRole": "LAUNCH_ROLE",
        "Parameters": '[{"Name": "Prefix", "Type": "TEXT_VALUE"}, {"Name": "DryRun", "Type": "TEXT_VALUE"}]',
    }


def test_each_step_is_followed_by_the_id_of_what_it_made(account, capsys):
    publishes(account, "--apply", "--json")
    document = json.loads(capsys.readouterr().out)
    ids = {(each["step"], each.get("product")): each["id"] for each in document["steps"]}
    (portfolio,) = account.portfolios
    assert document["applied"] is True
    assert document["failed"] is None
    assert ids["CreatePortfolio", None] == portfolio
    assert {ids["CreateProduct", name] for name, _ in account.products.values()} == set(account.products)
    assert {ids["AddLaunchRole", name] for name, _ in account.products.values()} == set(account.constraints)
    assert all(ids.values())


def test_a_second_run_plans_nothing_and_writes_nothing(account, capsys):
    publishes(account, "--apply")
    account.writes.clear()
    capsys.readouterr()
    assert publishes(account, "--apply") == 0
    assert account.writes == []
    assert "Nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("after", [False, True], ids=["refused", "done but not answered"])
def test_whichever_call_fails_the_next_run_finishes_and_makes_nothing_twice(account, after):
    whole = Account()
    publishes(whole, "--apply")
    for number in range(1, len(whole.writes) + 1):
        broken = Account()
        broken.fail_at(number, after=after)
        assert publishes(broken, "--apply") == 1
        assert broken.summary() != whole.summary() or after
        assert publishes(broken, "--apply") == 0
        assert broken.summary() == whole.summary()


def test_what_failed_is_said_in_a_sentence_with_what_is_left(account, capsys):
    account.fail_at(5)
    assert publishes(account, "--apply") == 1
    said = capsys.readouterr().err
    assert "Could not create portfolio 'S3 Hydration' of 'S3 Hydration'. CreatePortfolio: broken off" in said
    assert "4 done" in said


def test_a_new_version_is_added_and_the_older_ones_are_deprecated(account, version):
    publishes(account, "--apply")
    version("1.0.9")
    publishes(account, "--apply")
    version("1.0.10")
    publishes(account, "--apply")
    assert [each[1:] for each in account.summary()["versions"]] == 2 * [
        ("1.0.0", "DEPRECATED"),
        ("1.0.10", "DEFAULT"),
        ("1.0.9", "DEPRECATED"),
    ]


def test_an_older_version_published_again_is_offered_again_and_the_newer_one_stays_as_it_is(account, version):
    publishes(account, "--apply")
    version("1.1.0")
    publishes(account, "--apply")
    version("1.0.0")
    publishes(account, "--apply")
    assert {each[1:] for each in account.summary()["versions"]} == {("1.0.0", "DEFAULT"), ("1.1.0", "DEFAULT")}


def test_a_version_with_other_bytes_is_refused_before_anything_is_written(account, capsys):
    publishes(account, "--apply")
    account.writes.clear()
    account.objects["s3-hydration/1.0.0/consumer.yaml"] = "other"
    assert publishes(account, "--apply") == 1
    assert account.writes == []
    assert "give this one another version in pyproject.toml" in capsys.readouterr().err


def test_a_file_whose_checksum_is_not_known_is_not_taken_for_ours(account):
    account.objects["s3-hydration/1.0.0/consumer.yaml"] = ""
    assert publishes(account, "--apply") == 1
    assert account.writes == []


def test_without_its_launch_roles_nothing_is_published(account, capsys):
    account.roles.clear()
    assert publishes(account, "--apply") == 1
    assert account.writes == []
    said = capsys.readouterr().err
    assert "no role s3-hydration-launch-producer" in said
    assert "no role s3-hydration-launch-consumer" in said


def test_a_bucket_of_another_region_is_refused_since_lambda_could_not_load_from_it(account, capsys):
    account.bucket_region = "us-east-1"
    assert publishes(account, "--apply") == 1
    assert "is in us-east-1" in capsys.readouterr().err
    assert account.writes == []


def test_two_portfolios_of_one_name_are_left_to_the_operator(account, capsys):
    for id_ in ("port-a", "port-b", "port-c"):
        account.portfolios[id_] = ("S3 Hydration", "S3 Hydration")
    assert publishes(account, "--apply") == 1
    assert "There are 3 portfolios" in capsys.readouterr().err
    assert account.writes == []


def test_a_portfolio_of_the_same_name_by_somebody_else_is_not_ours(account):
    account.portfolios["port-x"] = ("S3 Hydration", "another team")
    publishes(account, "--apply")
    assert len(account.portfolios) == 2
    assert "port-x" not in {portfolio for portfolio, _ in account.members}


def test_a_launch_role_changed_by_hand_is_changed_back(account):
    publishes(account, "--apply")
    one = next(iter(account.constraints.values()))
    one["Parameters"] = '{"RoleArn": "arn:aws:iam::333333333333:role/admin"}'
    account.writes.clear()
    publishes(account, "--apply")
    assert account.writes == ["UpdateConstraint"]
    assert "LocalRoleName" in one["Parameters"]


def test_a_template_that_service_catalog_cannot_take_stops_before_anybody_sees_the_product(account, capsys):
    account.becomes = ["CREATING", "FAILED"]
    assert publishes(account, "--apply") == 1
    assert "could not take version 1.0.0" in capsys.readouterr().err
    assert account.members == []
    assert publishes(account, "--apply") == 1
    assert "Delete that version there" in capsys.readouterr().err


def test_a_version_still_being_made_is_waited_for_before_the_older_one_is_deprecated(account, version):
    publishes(account, "--apply")
    version("2.0.0")
    account.becomes = ["CREATING"]
    assert publishes(account, "--apply") == 1
    assert {each[2] for each in account.summary()["versions"]} == {"DEFAULT"}
    for each in account.versions.values():
        each["Left"] = ["AVAILABLE"]
    account.becomes = ["AVAILABLE"]
    assert publishes(account, "--apply") == 0
    assert {each[1:] for each in account.summary()["versions"]} == {("1.0.0", "DEPRECATED"), ("2.0.0", "DEFAULT")}


def test_a_share_that_does_not_reach_every_account_says_which(account, capsys):
    account.share_states = ["COMPLETED_WITH_ERRORS"]
    assert publishes(account, "--apply") == 1
    assert "444444444444: no such account" in capsys.readouterr().err


def test_a_role_of_another_account_is_refused_since_only_that_account_can_associate_it(account, capsys):
    assert publishes(account, "--principal", "arn:aws:iam::444444444444:role/data") == 1
    assert "associate them there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ("--principal", "arn:aws:iam:::role/data-*"),
        ("--principal", f"arn:aws:iam::{ACCOUNT}:role/*"),
        ("--share-with", "everybody"),
        ("--share-with", "12345"),
        ("--bucket", "Not A Bucket"),
    ],
)
def test_patterns_and_what_is_no_name_at_all_are_wrong_usage(account, wrong):
    with pytest.raises(SystemExit) as stopped:
        publishes(account, *wrong)
    assert stopped.value.code == 2
    assert account.calls == []


def test_a_document_that_is_not_known_is_refused(account, capsys):
    assert publishes(account, "--document", "no-such-document") == 1
    assert "knows no Systems Manager document no-such-document" in capsys.readouterr().err


def test_unpublishing_removes_all_that_publishing_made_but_the_files(account, version):
    publishes(account, "--apply")
    version("1.0.1")
    publishes(account, "--apply")
    files = account.summary()["objects"]
    assert unpublishes(account, "--apply", "--unshare") == 0
    assert account.summary() == {**REMOVED, "objects": files}
    account.writes.clear()
    assert unpublishes(account, "--apply") == 0
    assert account.writes == []


def test_unpublishing_without_apply_writes_nothing(account, capsys):
    publishes(account, "--apply")
    account.writes.clear()
    assert unpublishes(account, "--unshare") == 0
    assert account.writes == []
    assert "delete portfolio 'S3 Hydration'" in capsys.readouterr().out


def test_unpublishing_that_breaks_off_anywhere_is_finished_by_the_next_run(version):
    def published():
        account = Account()
        assert publishes(account, "--apply") == 0
        account.writes.clear()
        return account

    whole = published()
    unpublishes(whole, "--apply", "--unshare")
    for number in range(1, len(whole.writes) + 1):
        broken = published()
        broken.fail_at(number)
        assert unpublishes(broken, "--apply", "--unshare") == 1
        assert unpublishes(broken, "--apply", "--unshare") == 0
        assert broken.summary() == whole.summary()


def test_unpublishing_is_refused_while_products_are_provisioned_and_says_which(account, capsys):
    publishes(account, "--apply")
    account.writes.clear()
    product = next(id_ for id_, (name, _) in account.products.items() if name.endswith("Consumer"))
    account.provisioned = [
        {"Id": f"pp-{number}", "Name": f"replica-{number}", "ProductId": product} for number in range(3)
    ]
    assert unpublishes(account, "--apply", "--unshare") == 1
    assert account.writes == []
    said = capsys.readouterr().err
    for number in range(3):
        assert f"'replica-{number}' (pp-{number}) of 'S3 Hydration Consumer' is still provisioned" in said


def test_unpublishing_a_shared_portfolio_needs_a_word_since_other_accounts_cannot_be_seen(account, capsys):
    publishes(account, "--apply")
    account.writes.clear()
    assert unpublishes(account, "--apply") == 1
    assert account.writes == []
    assert "then use --unshare" in capsys.readouterr().err


def test_what_others_put_into_the_portfolio_keeps_it_and_its_principals_and_shares(account, capsys):
    publishes(account, "--apply")
    (portfolio,) = account.portfolios
    account.products["prod-x"] = ("Something else", "another team")
    account.members.append((portfolio, "prod-x"))
    before = account.summary()
    assert unpublishes(account, "--apply") == 0
    assert account.summary()["principals"] == before["principals"]
    assert account.summary()["shares"] == before["shares"]
    assert account.summary()["members"] == [("S3 Hydration", "Something else")]
    assert "Something else" in capsys.readouterr().out


def test_a_product_that_is_in_another_portfolio_too_is_only_taken_out_of_ours(account):
    publishes(account, "--apply")
    consumer = next(id_ for id_, (name, _) in account.products.items() if name.endswith("Consumer"))
    account.portfolios["port-x"] = ("Everything", "another team")
    account.members.append(("port-x", consumer))
    assert unpublishes(account, "--apply", "--unshare") == 0
    assert list(account.products) == [consumer]
    assert account.summary()["members"] == [("Everything", "S3 Hydration Consumer")]
    assert account.summary()["offers"] == [("S3 Hydration Consumer", "1.0.0", "s3-hydration-backfill")]


def test_a_service_action_that_others_made_or_use_is_not_deleted(account):
    publishes(account, "--apply")
    account.actions["act-x"] = {"Name": "theirs", "Description": "of another team"}
    account.products["prod-x"] = ("Something else", "another team")
    account.versions["pa-x"] = {"Id": "pa-x", "Name": "v1", "Guidance": "DEFAULT", "Product": "prod-x", "Left": []}
    (ours,) = (id_ for id_, each in account.actions.items() if each["Name"] == "s3-hydration-backfill")
    account.offers.append(("prod-x", "pa-x", ours))
    assert unpublishes(account, "--apply", "--unshare") == 0
    assert sorted(each["Name"] for each in account.actions.values()) == ["s3-hydration-backfill", "theirs"]


def test_the_version_is_the_projects():
    assert f'version = "{release.version_of()}"' in (ROOT / "pyproject.toml").read_text()
