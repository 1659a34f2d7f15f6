"""Who may do what where; passwords and logins; the gate before the pages, and floods of wrong passwords."""

import itertools
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any
from unittest.mock import Mock

import pytest
from argon2 import PasswordHasher
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from aggregator.config import parse
from aggregator.errors import GateError, OperatorError
from aggregator.operators import gate as door
from aggregator.operators import store as operator_store
from aggregator.operators.api import Desk, add_operator_pages
from aggregator.operators.gate import Gate, demand, demand_everywhere, install, needs
from aggregator.operators.passwords import Passwords
from aggregator.operators.people import ANYWHERE, RIGHTS, ROLES, Person, Zones, may_at, of_roles
from aggregator.operators.register import MAX_TICKETS, Register
from aggregator.operators.store import OperatorStore, read_register
from aggregator.operators.throttle import BURST, PEER_BURST, Throttle
from aggregator.pages.routes import make_pages
from service.audit import AuditLog, read
from service.errors import KeyFileError
from service.rates import MAX_WHO, Rates, peer_name

from .test_link import Site

US = 1_000_000
SECRET = "correct horse battery"
WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # fast, for tests alone
ZONES = Zones({"riverside": ("gate-*", "river-1"), "harbour": ("gate-9",)})


def person(*rights: str, zones: str = "riverside") -> Person:
    return Person("anna", frozenset(rights), frozenset(zones.split()))


# who may do what where


def test_roles_hold_what_the_role_below_holds() -> None:
    named = list(ROLES.values())
    assert list(ROLES) == ["viewer", "operator", "supervisor", "administrator"]
    assert all(low < high for low, high in itertools.pairwise(named))
    assert ROLES["operator"] == {"view", "acknowledge", "operate"}
    assert ROLES["supervisor"] - ROLES["operator"] == {"approve", "reset"}
    assert ROLES["administrator"] == set(RIGHTS)


def test_a_right_holds_in_its_zones() -> None:
    assert person("operate").may("operate", "riverside")
    assert not person("operate").may("operate", "harbour")
    assert not person("operate").may("reset", "riverside")
    assert person("operate", zones="*").may("operate", "anything")


def test_roles_differ_by_zone() -> None:
    who = of_roles("ben", {"riverside": "supervisor", ANYWHERE: "viewer"})
    assert who.may("reset", "riverside") and not who.may("reset", "harbour")
    assert who.may("view", "harbour") and who.may_somewhere("reset") and not who.may_somewhere("administer")
    assert (who.rights, who.zones) == (ROLES["supervisor"], {"riverside", ANYWHERE})


def test_a_thing_in_no_zone_needs_the_right_everywhere() -> None:
    assert ZONES.of("gate-1/opening") == {"riverside"} and ZONES.of("mast-1") == frozenset()
    assert may_at(person("operate"), "operate", ZONES.of("gate-1/opening"))
    assert may_at(person("operate", zones="harbour"), "operate", ZONES.of("gate-9")), "one of its zones is enough"
    assert not may_at(person("operate"), "operate", ZONES.of("mast-1"))
    assert may_at(person("operate", zones="*"), "operate", ZONES.of("mast-1"))


@given(st.dictionaries(st.sampled_from(["a", "b", "*"]), st.sampled_from(sorted(ROLES)), min_size=1))
def test_nobody_has_a_right_that_no_role_of_his_gives(roles: dict[str, str]) -> None:
    who = of_roles("x", roles)
    for zone in ("a", "b", "c"):
        given_ = ROLES.get(roles.get(zone, ""), frozenset()) | ROLES.get(roles.get("*", ""), frozenset())
        assert {right for right in RIGHTS if who.may(right, zone)} == given_


# passwords and logins


def test_passwords_are_argon2id_of_the_rfcs_second_recommendation() -> None:
    passwords = Passwords()
    kept = passwords.hash(SECRET)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.matches(kept, SECRET) and not passwords.matches(kept, SECRET + " ")
    assert not passwords.is_old(kept) and passwords.is_old(WEAK.hash(SECRET))


@pytest.mark.parametrize("text", ["short", "x" * 11, "ü" * 600])
def test_a_password_that_is_too_short_or_long_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match=r"characters|bytes"):
        Passwords(WEAK).hash(text)


def test_nobody_and_a_damaged_hash_match_nothing() -> None:
    passwords = Passwords(WEAK)
    assert not passwords.matches(None, "nobody has this password")
    assert not passwords.matches("$argon2id$damaged", SECRET)


def test_a_token_lapses_and_ends_with_password_and_person() -> None:
    register = Register()
    register.add("anna", {"*": "operator"}, "hash", 0)
    register.log_in("anna", "token", 10 * US, 5 * US)
    assert register.person("token", 14 * US) == of_roles("anna", {"*": "operator"})
    assert register.person("token", 15 * US) is None and register.person("token", 9 * US) is None
    assert register.person("tokem", 14 * US) is None
    register.set_roles("anna", {"*": "viewer"}, 0)
    who = register.person("token", 14 * US)
    assert who is not None and not who.may("operate", "*"), "another role counts at once"
    register.set_hash("anna", "other", 0)
    assert register.person("token", 14 * US) is None


def test_logins_are_bounded_and_the_oldest_ends() -> None:
    register = Register()
    register.add("anna", {"*": "operator"}, "hash", 0)
    for at in range(MAX_TICKETS + 3):
        register.log_in("anna", f"token-{at}", at, US)
    assert len(register.tickets) == MAX_TICKETS
    assert register.person("token-2", 30) is None and register.person("token-3", 30)


@pytest.mark.parametrize(
    ("name", "roles", "reason"),
    [
        ("local", {"*": "viewer"}, "bad_name"), ("A b", {"*": "viewer"}, "bad_name"), ("anna", {}, "bad_role"),
        ("anna", {"*": "king"}, "bad_role"), ("anna", {"riverside": "administrator"}, "bad_role"),
    ],
)  # fmt: skip
def test_who_cannot_be_entered(name: str, roles: dict[str, str], reason: str) -> None:
    with pytest.raises(OperatorError) as caught:
        Register().add(name, roles, "hash", 0)
    assert caught.value.reason == reason


# floods


def test_a_bucket_fills_again_and_memory_is_bounded() -> None:
    rates = Rates(per_s=2, burst=3)
    assert [rates.take("a", 0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert rates.take("a", US // 2) == 0 and rates.take("b", 0) == 0
    for at in range(3 * MAX_WHO):
        rates.take(f"peer-{at}", 0)
    assert len(rates) == MAX_WHO


def test_an_ipv6_peer_is_its_network() -> None:
    assert peer_name("2001:db8::1") == peer_name("2001:db8::2") != peer_name("2001:db8:0:1::1")
    assert peer_name("::ffff:192.0.2.1") == peer_name("192.0.2.1") == "192.0.2.1"


def test_wrong_passwords_run_out_by_name_and_by_peer() -> None:
    throttle = Throttle()
    assert [throttle.ask("anna", f"peer-{at}", 0) > 0 for at in range(BURST + 1)] == [False] * BURST + [True]
    throttle = Throttle()
    assert [throttle.ask(f"n-{at}", "peer", 0) > 0 for at in range(PEER_BURST + 1)] == [False] * PEER_BURST + [True]


def test_a_flood_under_a_name_does_not_lock_out_who_came_before() -> None:
    throttle = Throttle()
    assert throttle.ask("anna", "desk", 0) == 0
    throttle.right("anna", "desk", 0)
    for at in range(1000):
        throttle.ask("anna", f"stranger-{at}", at)
    assert throttle.ask("anna", "elsewhere", 1000) > 0
    assert throttle.ask("anna", "desk", 1000) == 0
    assert throttle.ask("ben", "elsewhere", 1000) == 0, "others are not touched"


# the store


@pytest.fixture
def site(tmp_path: Path, kit: Any) -> Site:
    site = Site(tmp_path, kit.templates)
    site.data["zones"] = {"riverside": ["river-*"]}
    return site


@pytest.fixture
def store(site: Site) -> Iterator[OperatorStore]:
    store = OperatorStore(parse(site.data, site.folder), AuditLog(site.folder / "city"), Passwords(WEAK))
    yield store
    store.audit.close()


def test_the_file_is_for_its_owner_and_holds_neither_password_nor_token(store: OperatorStore, site: Site) -> None:
    store.add("local", "anna", {"riverside": "operator"}, store.passwords.hash(SECRET))
    token, _ = store.log_in("anna", "192.0.2.1")
    path = site.folder / "city" / operator_store.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = path.read_text() + (site.folder / "city" / "audit.jsonl").read_text()
    assert SECRET not in kept and token not in kept
    again = read_register(path)
    assert again.person(token, store.now_us()) and again.to_map() == store.register.to_map()
    store.log_out("anna", token)
    store.remove("local", "anna")
    events = [(row["event"], row["who"]) for row in read(site.folder / "city")]
    assert events == [("operator_added", "local"), ("login", "anna"), ("logout", "anna"), ("operator_removed", "local")]


def test_what_cannot_be_saved_does_not_count(store: OperatorStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(operator_store, "replace_summed", full)
    with pytest.raises(OSError, match="space"):
        store.add("local", "anna", {"*": "operator"}, "hash")
    assert not store.register.people
    store.audit.close()
    assert [row["event"] for row in read(store.folder)] == ["operator_added", "operator_added_not_saved"]
    store.audit = AuditLog(store.folder)


def test_an_edited_file_is_refused(store: OperatorStore, site: Site) -> None:
    store.add("local", "anna", {"riverside": "operator"}, "hash")
    path = site.folder / "city" / operator_store.FILE
    path.write_text(path.read_text().replace('"operator"', '"supervisor"'))
    with pytest.raises(KeyFileError, match="checksum"):
        read_register(path)


def test_a_zone_that_is_none_is_named(store: OperatorStore) -> None:
    with pytest.raises(OperatorError, match="there are: riverside"):
        store.add("local", "anna", {"rivreside": "operator"}, "hash")


# the gate


def make(store: OperatorStore, **gate: Any) -> tuple[FastAPI, list[tuple[str, str]]]:
    api, refused = FastAPI(), []

    async def post_reset(thing: str, who: Annotated[Person, Depends(needs("reset"))]) -> dict[str, str]:
        demand(api, who, "reset", thing)
        return {"who": who.name}

    async def post_forgotten() -> dict[str, str]:
        return {"who": "anybody"}

    async def get_health() -> dict[str, str]:
        return {}

    api.post("/reset/{thing}")(post_reset)
    api.post("/forgotten")(post_forgotten)
    api.get("/health")(get_health)
    api.get("/latest")(get_health)
    add_operator_pages(api, Desk(store))
    install(api, Gate(
        person_of=store.person, zones=ZONES, refused=lambda code, who, text: refused.append((code, who)), **gate
    ))  # fmt: skip
    return api, refused


def log_in(client: TestClient, store: OperatorStore, name: str, roles: dict[str, str]) -> dict[str, str]:
    store.register.add(name, roles, store.passwords.hash(SECRET), 0)
    told = client.post("/login", json={"name": name, "password": SECRET}).json()
    return {"Authorization": f"Bearer {told['token']}"}


def test_nobody_changes_anything_without_a_login(store: OperatorStore) -> None:
    api, refused = make(store)
    client = TestClient(api, client=("192.0.2.7", 1))
    for page in ("/reset/river-1", "/forgotten", "/operators", "/logout"):
        told = client.post(page)
        assert (told.status_code, told.json()["error"]) == (401, "not_logged_in")
        assert "city login" in told.json()["text"]
    assert client.get("/latest").status_code == 200 and client.get("/operators").status_code == 401
    assert set(refused) == {("not_logged_in", "192.0.2.7")}
    assert client.post("/forgotten", headers={"Authorization": "Bearer guess"}).status_code == 401


def test_a_person_acts_where_the_role_holds(store: OperatorStore) -> None:
    api, refused = make(store)
    client = TestClient(api)
    anna = log_in(client, store, "anna", {"riverside": "supervisor"})
    ben = log_in(client, store, "ben", {"riverside": "operator"})
    assert client.post("/reset/river-1", headers=anna).json() == {"who": "anna"}
    there = client.post("/reset/gate-9", headers=anna)
    assert there.status_code == 200, "gate-9 lies in riverside too"
    told = client.post("/reset/mast-1", headers=anna)
    assert (told.status_code, told.json()["error"]) == (403, "not_allowed")
    assert "'reset'" in told.json()["text"] and "mast-1 lies in none" in told.json()["text"]
    told = client.post("/reset/river-1", headers=ben)
    assert told.status_code == 403 and "ben has not the right 'reset'" in told.json()["text"]
    assert client.get("/whoami", headers=ben).json()["rights"] == {"riverside": sorted(ROLES["operator"])}
    assert client.post("/operators/ben/roles", headers=anna, json={"roles": {"*": "administrator"}}).status_code == 403
    assert {code for code, _ in refused} == {"not_allowed"}


def test_what_concerns_the_whole_city_needs_the_right_everywhere() -> None:
    demand_everywhere(person("acknowledge", zones="*"), "acknowledge")
    with pytest.raises(GateError, match="in every zone") as caught:
        demand_everywhere(person("acknowledge"), "acknowledge")
    assert caught.value.status == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_who_comes_to_the_socket_through_a_proxy_is_not_its_owner(store: OperatorStore, header: str) -> None:
    client = TestClient(make(store, owner_on_socket=True)[0])
    assert client.post("/reset/river-1", headers={header: "for=192.0.2.7"}).status_code == 401


def test_the_owner_of_the_socket_needs_no_login_unless_told_so(store: OperatorStore) -> None:
    client = TestClient(make(store, owner_on_socket=True)[0])
    assert client.post("/reset/river-1").json() == {"who": "local"}
    body = {"name": "anna", "password": SECRET, "roles": {"*": "administrator"}}
    assert client.post("/operators", json=body).status_code == 200
    assert client.post("/operators", json=body).json()["detail"]["reason"] == "exists"
    assert client.post("/reset/river-1", headers={"Authorization": "Bearer old"}).status_code == 401
    store.remove("local", "anna")
    assert TestClient(make(store)[0]).post("/reset/river-1").status_code == 401


def test_reading_needs_a_login_where_told_so(store: OperatorStore) -> None:
    client = TestClient(make(store, reads_need_login=True)[0])
    assert client.get("/latest").status_code == 401 and client.get("/health").status_code == 200
    headers = log_in(client, store, "anna", {"*": "viewer"})
    assert client.get("/latest", headers=headers).status_code == 200


def test_a_password_is_changed_by_its_owner_with_the_old_one(store: OperatorStore) -> None:
    client = TestClient(make(store)[0])
    anna = log_in(client, store, "anna", {"riverside": "viewer"})
    fresh = {"password": "another long password", "old": "wrong wrong wrong"}
    assert client.post("/operators/anna/password", headers=anna, json=fresh).status_code == 401
    assert client.post("/operators/ben/password", headers=anna, json=fresh).status_code == 403
    told = client.post("/operators/anna/password", headers=anna, json={**fresh, "old": SECRET})
    assert told.status_code == 200
    assert client.get("/whoami", headers=anna).status_code == 401, "a new password ends all logins"
    assert client.post("/login", json={"name": "anna", "password": SECRET}).status_code == 401


def test_wrong_passwords_are_slowed_and_do_not_tell_names_apart(store: OperatorStore) -> None:
    client = TestClient(make(store)[0], client=("192.0.2.7", 1))
    store.register.add("anna", {"*": "viewer"}, store.passwords.hash(SECRET), 0)
    wrong = [client.post("/login", json={"name": name, "password": "x" * 20}) for name in ("anna", "zoe")]
    assert [told.status_code for told in wrong] == [401, 401] and wrong[0].json() == wrong[1].json()
    codes = [client.post("/login", json={"name": "anna", "password": "x" * 20}).status_code for _ in range(BURST)]
    assert codes[-1] == 429 and set(codes) == {401, 429}


def test_an_old_hash_is_made_anew_at_the_next_login(store: OperatorStore) -> None:
    client = TestClient(make(store)[0])
    old = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(SECRET)
    store.register.add("anna", {"*": "viewer"}, old, 0)
    assert client.post("/login", json={"name": "anna", "password": SECRET}).status_code == 200
    assert store.register.people["anna"].hash != old
    assert client.post("/login", json={"name": "anna", "password": SECRET}).status_code == 200


def test_every_page_of_the_city_that_changes_something_names_a_right(store: OperatorStore, site: Site) -> None:
    keys = SimpleNamespace(store=SimpleNamespace(audit=store.audit), reasons=list)
    parts: Any = Mock(desk=keys)
    api = make_pages(parts, parse(site.data, site.folder))
    pages = [route for route in api.routes if isinstance(route, APIRoute) and route.methods - door.READS]
    naked = [
        route.path
        for route in pages
        if not any(hasattr(inner.call, "right") for inner in route.dependant.dependencies)
    ]
    assert naked == sorted(door.OPEN_TO_ALL) and len(pages) > 8
