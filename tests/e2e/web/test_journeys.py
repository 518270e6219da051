"""The journeys of the five roles, from end to end: one `forebay up` with real data, looked at and acted on in Chromium.

What a journey leaves is there for those that need it, by fixtures: any test of this module can be run alone, and one
process runs all of them (`TOGETHER` in tests/conftest.py).
"""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import expect

from forebay.testing.awkward import AwkwardOrigin
from forebay.testing.awkward.faults import Hold
from forebay.testing.servers import Chromium
from forebay.testing.web.looking import Eyes
from tests.e2e.program import FOREBAY, Program
from tests.e2e.serving import ended, told

pytestmark = pytest.mark.e2e

PEOPLE = {"olga": "engineer", "ada": "scientist", "carl": "engineer", "vera": "viewer", "bert": "viewer"}
DAYS = 3
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A forebay that is up on this machine, a lake beside it, and whoever has a token."""

    folder: Path
    home: Path
    url: str
    chromium: Chromium
    lake: AwkwardOrigin
    gates: dict[str, Hold]
    tokens: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def browser(self, name: str, *, scripts: bool = True) -> Iterator[Eyes]:
        """Somebody's own, logged in by their token. No script complains, and no other host is asked for anything."""
        with Eyes.of(self.chromium, self.url, scripts=scripts) as eyes:
            eyes.go("/login")
            eyes.page.locator("main").get_by_label("Token", exact=True).fill(self.tokens[name])
            eyes.page.get_by_role("button", name="Log in").click()
            eyes.page.wait_for_url(f"{self.url}/")
            yield eyes
            assert (eyes.complaints, eyes.foreign) == ([], [])

    def program(self, name: str) -> Program:
        """Somebody's terminal, on a machine with nothing of the hub's own."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return Program(folder, FOREBAY_HUB=self.url, FOREBAY_TOKEN=self.tokens[name])

    def addresses(self) -> str:
        return "\n".join(f"{self.lake.url}{path}" for path in self.gates)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> Iterator[tuple[Place, str]]:
    """Up, with click logs in a lake that waits before it gives the later days; and the link that its start tells."""
    folder = tmp_path_factory.mktemp("journeys")
    owner = Program(folder)
    owner("ctr", "generate", "--out", folder / "logs", "--rows-per-day", "1500", "--days", str(DAYS), "--seed", "3")
    with AwkwardOrigin() as lake:
        gates = {}
        for day in range(DAYS):
            path = f"/clicks/day_{day}"
            lake.put(path, (folder / "logs" / f"day_{day}").read_bytes())
            gates[path] = Hold(after_bytes=0)
            if day:
                lake.misbehave(path, always=gates[path])
        with owner.start("up", "--port", "0", "--json") as process:
            try:
                up = told(process)
                place = Place(folder=folder, home=owner.home, url=up["url"], chromium=chromium, lake=lake, gates=gates)
                yield place, up["login"]
                for gate in gates.values():
                    gate.gate.set()
                assert ended(process, signal.SIGTERM) == 0
            finally:
                process.kill()


@pytest.fixture(scope="module")
def place(bare: tuple[Place, str]) -> Place:
    """An admin came in by the link, and made a team, users and a token for each."""
    place, link = bare
    with Eyes.of(place.chromium, place.url) as eyes:
        page = eyes.page
        eyes.go(link)
        assert page.url == f"{place.url}/"
        page.get_by_role("link", name="Admin", exact=True).click()
        page.get_by_role("link", name="Teams", exact=True).click()
        page.locator("main").get_by_label("Name", exact=True).fill("ads")
        page.get_by_role("button", name="Add the team").click()
        expect(page.get_by_role("status")).to_contain_text("ads has 0 members")
        for name, role in PEOPLE.items():
            eyes.go("/admin/users")
            page.locator("main").get_by_label("Name", exact=True).fill(name)
            page.locator("main").get_by_label("Role", exact=True).select_option(role)
            page.locator("main").get_by_label("Teams", exact=True).fill("" if name == "vera" else "ads")
            page.get_by_role("button", name="Add the user").click()
            expect(page.get_by_role("status")).to_contain_text(f"{name} is on the hub")
        for name, role in {**PEOPLE, "admin": "admin"}.items():
            eyes.go("/admin/tokens")
            page.locator("main").get_by_label("User", exact=True).last.fill(name)
            page.locator("main").get_by_label("Role", exact=True).select_option(role)
            page.get_by_role("button", name="Make it").click()
            place.tokens[name] = page.locator(".once pre").inner_text().strip()
            page.get_by_role("link", name="I have kept it").click()
            assert place.tokens[name] not in page.content(), "it is shown once"
        assert (eyes.complaints, eyes.foreign) == ([], [])
    return place


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What a page showed, without a reload, while a version came."""

    percents: tuple[int, ...]
    end: str
    was_reloaded: bool


@pytest.fixture(scope="module")
def warmed(place: Place) -> Warmed:
    """The data engineer registers what lies in the lake, and brings it next to the compute."""
    percents: list[int] = []
    with place.browser("olga") as eyes:
        page = eyes.page
        page.locator("nav.side a[href='/datasets']").click()
        page.get_by_role("link", name="Register", exact=True).first.click()
        page.locator("main").get_by_label("Dataset", exact=True).fill("clicks")
        page.locator("main").get_by_label("Where the objects lie", exact=True).fill(place.addresses())
        page.locator("main").get_by_label("Message", exact=True).fill("<b>three days</b>")
        page.get_by_role("button", name="Register").click()
        page.wait_for_url("**/datasets/clicks/v1")
        expect(page.get_by_role("status")).to_contain_text("3 files registered as clicks@v1")
        expect(page.get_by_text("<b>three days</b>")).to_be_visible()
        page.get_by_role("link", name="Warm", exact=True).click()
        expect(page.locator("main")).to_contain_text("Where from")
        page.get_by_role("button", name="Warm it").click()
        page.wait_for_url("**/cache/local/clicks/v1")
        page.evaluate("window.notReloaded = true")
        says = page.locator("#says")
        for day, gate in enumerate(list(place.gates.values())[1:], 1):
            least = 100 * day // DAYS - 5
            eyes.until(f"parseInt(document.querySelector('#says').innerText.match(/(\\d+) %/)?.[1] ?? 0) >= {least}")
            found = re.search(r"(\d+) %", says.inner_text())
            percents.append(int(found[1]) if found else 0)
            gate.gate.set()
        expect(says).to_contain_text("ready")
        return Warmed(
            percents=tuple(percents),
            end=says.inner_text(),
            was_reloaded=not page.evaluate("window.notReloaded === true"),
        )


@pytest.fixture(scope="module")
def features(place: Place, warmed: Warmed) -> str:
    """A version of features that a run made of the clicks."""
    assert "ready" in warmed.end
    olga = place.program("olga")
    command = (FOREBAY, "ctr", "prepare", "clicks@v1", "--out", "clicks-features", "--home", place.home)
    olga("run", "--no-code", "--data", "clicks@v1", "--title", "Make features", "-q", "--", *command)
    return "clicks-features@v1"


@pytest.fixture(scope="module")
def trained(place: Place, features: str) -> tuple[str, str]:
    """The ids of two trainings by the data scientist, which differ in one parameter."""
    ada = place.program("ada")
    ids = []
    for rate in ("0.1", "0.3"):
        size = ("--workers", "1", "--threads-per-worker", "1", "--memory-per-worker", "1GB", "--checkpoint-every", "0")
        options = ("--rounds", "5", "--learning-rate", rate, "--home", place.home, "--out", "{model}", *size)
        given = ("--data", features, "--out", "model=ctr-model", "--team", "ads", "--title", f"Train at {rate}")
        ids += ada("run", "--no-code", *given, "-q", "--", FOREBAY, "ctr", "train", features, *options).ids[:1]
    first, second = ids
    return first, second


def test_an_admin_makes_a_team_users_and_tokens(place: Place) -> None:
    with place.browser("admin") as eyes:
        eyes.go("/admin/users")
        for name, role in PEOPLE.items():
            expect(eyes.page.get_by_role("row", name=name)).to_contain_text(role)
        eyes.go("/admin/teams/ads")
        for name in ("olga", "ada", "carl"):
            assert eyes.page.get_by_role("link", name=name, exact=True).count()
        eyes.go("/admin/audit")
        expect(eyes.page.locator("main")).to_contain_text("token")


def test_an_engineer_sees_a_version_come_without_a_reload(place: Place, warmed: Warmed) -> None:
    assert list(warmed.percents) == sorted(set(warmed.percents)), "it moves, and only forwards"
    assert len(warmed.percents) == DAYS - 1
    assert not warmed.was_reloaded
    with place.browser("olga") as eyes:
        eyes.go("/datasets/clicks/tags")
        eyes.page.locator("main").get_by_label("Tag", exact=True).fill("prod")
        eyes.page.get_by_role("button", name="Set it").click()
        eyes.go("/datasets/clicks")
        expect(eyes.page.get_by_role("row", name="v1")).to_contain_text("prod")


def test_a_scientist_reads_the_report_inside_the_page(place: Place, trained: tuple[str, str]) -> None:
    with place.browser("ada") as eyes:
        eyes.page.locator("nav.side a[href='/runs']").click()
        eyes.page.get_by_role("link", name="Train at 0.1").first.click()
        eyes.page.wait_for_url(f"**/runs/{trained[0]}")
        expect(eyes.page.locator("#now")).to_contain_text("succeeded")
        report = eyes.page.frame_locator("iframe.report")
        expect(report.get_by_role("heading", level=1)).to_contain_text("clicks-features@v1")
        expect(eyes.page.locator("#figures").get_by_role("row", name="auc", exact=False).first).to_be_visible()
        expect(eyes.page.locator("#now")).to_contain_text("ctr-model@v1")


def test_a_business_user_reads_the_report_of_the_team(place: Place, trained: tuple[str, str]) -> None:
    with place.browser("bert") as eyes:
        eyes.go(f"/runs/{trained[0]}")
        report = eyes.page.frame_locator("iframe.report")
        expect(report.get_by_role("heading", level=1)).to_contain_text("clicks-features@v1")
        assert not eyes.page.get_by_role("link", name="Log", exact=True).count()
        assert eyes.context.request.get(f"{place.url}/runs/{trained[0]}/log").status == 403


def test_a_scientist_compares_two_runs_and_sees_where_they_come_from(place: Place, trained: tuple[str, str]) -> None:
    with place.browser("ada") as eyes:
        eyes.go("/runs?user=ada")
        for box in eyes.page.locator("#runs input[type=checkbox]").all():
            box.check()
        eyes.page.get_by_role("button", name="Compare chosen").click()
        eyes.page.wait_for_url("**/runs/compare?**")
        main = eyes.page.locator("main")
        expect(main).to_contain_text("2 runs")
        expect(eyes.page.get_by_role("row", name="learning_rate")).to_contain_text("0.3")
        assert not eyes.page.get_by_role("row", name="max_depth").count(), "only what differs"
        assert eyes.page.locator("iframe").count() == 2
        eyes.go("/datasets/clicks-features/v1/lineage")
        for name in ("clicks@v1", "Train at 0.1", "Train at 0.3", "ctr-model@v1", "ctr-model@v2"):
            assert name in main.inner_text(), name
        eyes.go("/datasets/clicks-features/v1")
        expect(eyes.page.get_by_role("row", name="Train at 0.3")).to_contain_text("succeeded")


def test_what_one_evicts_or_warms_is_so_in_the_others_browser(place: Place, features: str) -> None:
    with place.browser("olga") as olga, place.browser("carl") as carl:
        carl.go("/cache?only=all")
        carl.page.evaluate("window.notReloaded = true")
        row = carl.page.get_by_role("row", name="clicks v1")
        expect(row).to_contain_text("ready")
        olga.go("/cache/local/clicks/v1")
        olga.page.get_by_role("link", name="Evict…").click()
        expect(olga.page.locator("main")).to_contain_text("It frees at most")
        olga.page.get_by_role("button", name="Evict it").click()
        expect(olga.page.locator("#says")).to_contain_text("absent")
        expect(row).to_contain_text("absent")
        assert carl.page.evaluate("window.notReloaded")
        olga.page.evaluate("window.notReloaded = true")
        carl.go("/cache/-/warm?ref=clicks@v1&site=local")
        carl.page.get_by_role("button", name="Warm it").click()
        expect(olga.page.locator("#says")).to_contain_text("ready")
        expect(olga.page.locator("#acts")).to_contain_text("Evict…")
        assert olga.page.evaluate("window.notReloaded")
        olga.go("/cache/-/history")
        expect(olga.page.locator("main")).to_contain_text("evicted")


def test_a_cloud_admin_looks_at_sites_links_and_what_if(place: Place, features: str) -> None:
    with place.browser("carl") as eyes:
        eyes.page.locator("nav.side a[href='/sites']").click()
        expect(eyes.page.locator("main")).to_contain_text("1 up")
        expect(eyes.page.get_by_role("row", name=place.lake.url).first).to_contain_text("local")
        eyes.page.get_by_role("link", name="Where would a run start?").click()
        eyes.page.locator("main").get_by_label("Reads", exact=True).fill(features)
        eyes.page.get_by_role("button", name="Ask").click()
        expect(eyes.page.locator("main")).to_contain_text("It would go to local")
        eyes.page.locator("main").get_by_label("GPUs", exact=True).fill("64")
        eyes.page.get_by_role("button", name="Ask").click()
        expect(eyes.page.get_by_role("row", name="local")).to_contain_text("asked for 64")
        eyes.go("/sites/local")
        expect(eyes.page.locator("main")).to_contain_text("CPU")


def test_a_viewer_reads_and_is_offered_nothing_else(place: Place, trained: tuple[str, str]) -> None:
    with place.browser("vera") as eyes:
        eyes.page.locator("nav.side a[href='/admin']").click()
        expect(eyes.page.get_by_role("row", name="Policies")).to_be_visible()
        assert not eyes.page.locator("main a[href='/admin/users']").count()
        eyes.go(f"/runs/{trained[0]}")
        expect(eyes.page.locator("#now")).to_contain_text("ctr-model@v1")
        # She is not in the run's team, whose reports these are (docs/access.md).
        assert not eyes.page.locator("iframe").count()
        offered = ("Cancel", "Try again", "Register", "Commit", "Warm", "Warm a version", "Evict…", "Retire…", "Tag")
        for path in (
            f"/runs/{trained[0]}",
            "/datasets",
            "/datasets/clicks",
            "/datasets/clicks/v1",
            "/cache",
            "/sites/local",
        ):
            assert eyes.go(path) == 200
            for name in offered:
                for role in ("button", "link"):
                    assert not eyes.page.get_by_role(role, name=name, exact=True).count(), (path, name)
        own = {"Origin": place.url, "Sec-Fetch-Site": "same-origin"}
        forbidden: dict[str, dict[str, str | float | bool]] = {
            "/cache/-/warm": {"ref": "clicks@v1", "site": "local"},
            "/admin/teams": {"team": "mine"},
            f"/runs/{trained[0]}/retry": {},
        }
        for path, form in forbidden.items():
            assert eyes.context.request.post(path, form=form, headers=own).status == 403, path
        foreign = {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        assert eyes.context.request.post("/logout", headers=foreign).status == 403


def test_a_policy_hides_a_dataset_from_whom_it_is_not_for(place: Place, warmed: Warmed) -> None:
    with place.browser("admin") as eyes:
        eyes.go("/datasets/-/register")
        eyes.page.locator("main").get_by_label("Dataset", exact=True).fill("payroll")
        eyes.page.locator("main").get_by_label("Where the objects lie", exact=True).fill(
            f"{place.lake.url}/clicks/day_0"
        )
        eyes.page.get_by_role("button", name="Register").click()
        eyes.page.wait_for_url("**/datasets/payroll/v1")
        eyes.go("/admin/policies/payroll")
        eyes.page.locator("main").get_by_label("May read", exact=True).fill("ads")
        eyes.page.get_by_role("button", name="Set the policy").click()
        expect(eyes.page.get_by_role("status")).to_contain_text("holds from now on")
    with place.browser("ada") as ada, place.browser("vera") as vera:
        for eyes, sees in ((ada, True), (vera, False)):
            eyes.go("/datasets")
            assert ("payroll" in eyes.page.inner_text("main")) is sees
            assert eyes.context.request.get("/datasets/payroll").status == (200 if sees else 404)
            eyes.page.keyboard.press("Control+k")
            eyes.page.keyboard.type("payroll")
            told_there = "payroll" if sees else "Nothing that you may see is called so."
            expect(eyes.page.locator("#found")).to_contain_text(told_there)


def test_it_reads_without_a_script(place: Place, trained: tuple[str, str]) -> None:
    with place.browser("ada", scripts=False) as eyes:
        for path, told_there in (
            ("/", "saved this month"),
            ("/datasets/clicks/v1", "day_"),
            ("/datasets/clicks/v1/files", "day_2"),
            (f"/runs/{trained[1]}", "learning_rate"),
            (f"/runs/compare?run={trained[0]}&run={trained[1]}", "log_loss"),
            ("/cache", "clicks-features"),
        ):
            assert eyes.go(path) == 200
            expect(eyes.page.locator("main")).to_contain_text(told_there)


def test_a_keyboard_is_enough(place: Place, features: str) -> None:
    with place.browser("ada") as eyes:
        keys = eyes.page.keyboard
        keys.press("Control+k")
        keys.type("clicks-feat")
        options = eyes.page.locator("#found").get_by_role("option")
        options.first.wait_for()
        keys.press("Enter")
        eyes.page.wait_for_url("**/datasets/clicks-features**")
        seen = []
        for _ in range(40):
            keys.press("Tab")
            seen.append(eyes.page.evaluate("document.activeElement.innerText.trim().split('\\n')[0]"))
            if seen[-1] == "v1":
                break
        assert seen[0] == "Skip to the page"
        nav = [name for name in seen if name in ("Overview", "Datasets", "Cache", "Sites", "Runs")]
        assert nav[:5] == ["Overview", "Datasets", "Cache", "Sites", "Runs"]
        assert seen.index("Runs") < seen.index("Versions") < seen.index("v1")
        keys.press("Enter")
        eyes.page.wait_for_url("**/datasets/clicks-features/v1")


_NAMED = """(() => {
  const at = document.activeElement;
  return (at.labels?.[0] ?? at).innerText.trim().split("\\n")[0];
})()"""


def _tab_to(eyes: Eyes, name: str) -> None:
    """By the keyboard alone to what is called so, and whoever looks sees where they are."""
    passed = []
    for _ in range(60):
        eyes.page.keyboard.press("Tab")
        passed.append(eyes.page.evaluate(_NAMED))
        if passed[-1] == name:
            assert eyes.page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"{name} is not reached: {passed}")


def test_a_keyboard_is_enough_to_register_warm_pin_and_evict(place: Place) -> None:
    with place.browser("olga") as eyes:
        page, keys = eyes.page, eyes.page.keyboard

        def follow(name: str, address: str) -> None:
            _tab_to(eyes, name)
            keys.press("Enter")
            page.wait_for_url(address)

        follow("Datasets", "**/datasets")
        follow("Register", "**/datasets/-/register")
        for label, text in (("Dataset", "keyed"), ("Where the objects lie", f"{place.lake.url}/clicks/day_0")):
            _tab_to(eyes, label)
            keys.type(text)
        follow("Register", "**/datasets/keyed/v1")
        follow("Warm", "**/cache/-/warm?**")
        follow("Warm it", "**/cache/local/keyed/v1")
        expect(page.locator("#says")).to_contain_text("ready")
        keys.press("Control+k")
        keys.type("keyed@v1")
        page.locator("#found").get_by_role("option", name="keyed@v1").wait_for()
        keys.press("Enter")
        page.wait_for_url("**/datasets/keyed/v1")
        follow("local", "**/cache/local/keyed/v1")
        _tab_to(eyes, "Why it must stay")
        keys.type("the course")
        keys.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("keyed@v1 stays at local.")
        expect(page.locator("#says")).to_contain_text("pinned")
        _tab_to(eyes, "Unpin")
        keys.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("keyed@v1 may go")
        follow("Evict…", "**/cache/local/keyed/v1/evict")
        follow("Evict it", "**/cache/local/keyed/v1")
        expect(page.locator("#says")).to_contain_text("absent")
