"""A report full of markup of others, opened in a real browser, runs nothing and asks for nothing.

Twice: as it is made, where all of that is text; and with the same markup put into it raw, where the page's own content
security policy is what stops it. That the browser would run it is shown without the policy.
"""

import shutil
import subprocess
import tempfile
from dataclasses import fields, replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from consumer_replicator.report import build
from consumer_replicator.report_page import page
from tests.consumer.test_report_page import with_key

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
POLICY = '<meta http-equiv="Content-Security-Policy"'

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def asked():
    """(the address of a server, the paths that it was asked for)"""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", paths
    server.shutdown()
    server.server_close()


def attacks(address):
    run = "document.title='owned'"
    return [
        f"<script>{run}</script>",
        f"</style></title></bdi><script>{run}</script>",
        f'"><img src=x onerror="{run}">',
        f"' onmouseover='{run}' autofocus onfocus='{run}' x='",
        f'<svg onload="{run}"></svg>',
        f'<iframe srcdoc="<script>parent.{run}</script>"></iframe>',
        f'<img src="{address}/image">',
        f'<link rel=stylesheet href="{address}/style">',
        f"<style>@import url({address}/import); body {{ background: url({address}/background) }}</style>",
        f'<script src="{address}/script"></script>',
        f"<video src={address}/video></video><object data={address}/object></object>",
        f"{{{{ {run} }}}}",
        f"<!--><script>{run}</script>-->",
        f"<![CDATA[<script>{run}</script>",
    ]


def opened(document):
    """The page as the browser has it after it has run what there is to run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(document, encoding="utf-8")
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom")
        ran = subprocess.run(
            [BROWSER, *options, f"--user-data-dir={folder}/profile", file.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    return ran.stdout


class Title(HTMLParser):
    def __init__(self, document):
        super().__init__()
        self.text, self._inside = "", False
        self.tags: set[str] = set()
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._inside = tag == "title"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        self.text += data if self._inside else ""


def hostile_page(address):
    """Every text that a report has is all the attacks in a row."""
    attack = " ".join(attacks(address))
    facts = with_key(attack)
    texts = {each.name: attack for each in fields(facts) if each.name in ("run_id", "source_bucket", "replica_bucket")}
    return page(build(replace(facts, state="failed", **texts)))


def test_a_report_of_hostile_texts_runs_nothing_and_asks_for_nothing(asked):
    address, paths = asked
    paths.clear()
    document = hostile_page(address)
    seen = Title(opened(document))
    assert "owned" in seen.text, "as a part of the run's id, which is text"
    assert not seen.text.startswith("owned")
    assert not seen.tags & {"script", "img", "iframe", "link", "object", "video"}
    assert paths == []


@pytest.mark.parametrize("guarded", [True, False])
def test_markup_that_got_into_a_report_is_stopped_by_the_page_s_own_policy(asked, guarded):
    address, paths = asked
    paths.clear()
    document = page(build(with_key("k")))
    assert document.count(POLICY) == 1
    document = document.replace("<header>", "<header>" + "\n".join(attacks(address)), 1)
    if not guarded:
        document = document.replace(POLICY, "<meta data-none", 1)
    seen = Title(opened(document))
    assert seen.text.startswith("owned") is not guarded
    assert bool(paths) is not guarded
