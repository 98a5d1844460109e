"""What a good config becomes, where it is found, and what it stands for where it says nothing."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.config.file import find_config
from reconciler.config.load import load_config, parse_config
from reconciler.config.model import Auth, Config, Occasion, PartialView
from reconciler.core.errors import ConfigError
from reconciler.core.policies.policies import Limits

ENVIRON = {"CORALOGIX_API_KEY": "cx-key", "SERVICENOW_PASSWORD": "sn-password"}
CORALOGIX = """
[coralogix]
region = "eu2"
api_key = { env = "CORALOGIX_API_KEY" }
"""
SERVICENOW = """
[servicenow.acme]
instance_url = "https://acme.service-now.com"
username = "coralogix.sync"
password = { env = "SERVICENOW_PASSWORD" }
"""
MINIMAL = CORALOGIX + SERVICENOW
FULL = """
owner = "Coralogix"                    # the mark on every record we make (correlation_display)

[coralogix]
region = "eu2"                         # or base_url = "https://api.eu2.coralogix.com"
api_key = { env = "CORALOGIX_API_KEY" }

[servicenow.main]                      # one table for each connector, by name
instance_url = "https://acme.service-now.com"
auth = "basic"                         # basic | oauth_password | oauth_client_credentials | api_key
username = "coralogix.sync"            # basic, oauth_password
password = { env = "SERVICENOW_PASSWORD" }

[state]
path = "state/reconciler.db"

[audit]
values = "plain"                       # plain | hash: how old and new values of written fields are kept

[retention]
requests_days = 30                     # 0 keeps for ever; pruning is daily, in small steps, and sealed
history_days = 0

[schedule]
poll_seconds = 30
case_overlap_seconds = 600             # how far each pull looks behind its cursor
incident_overlap_seconds = 300
first_lookback_hours = 24              # how old an open Case may be to be linked on the first start
drift_check_minutes = 15               # how often everything open is compared in full

[limits]                               # brakes; a plan that needs more is refused whole
max_creates_per_cycle = 100
max_case_resolves_per_cycle = 100
max_incident_resolves_per_cycle = 200

[[route]]                              # all routes are tried in order, the first that is true takes the Case
name = "everything"
when = "true"
connector = "main"
inbound = "default"
outbound = "default"

[inbound.default]                      # Coralogix -> ServiceNow
table = "incident"
[inbound.default.fields]               # rendered from the Case
short_description = "{{ case.title }}"

[outbound.default]                     # ServiceNow -> Coralogix; leave a list out to switch that step off
acknowledge_on = ["assigned", "in_progress", "on_hold"]
resolve_on = ["resolved"]
close_on = ["closed", "canceled"]
"""


def read(text: str, *, folder: Path = Path("/etc/reconciler"), **environ: str) -> Config:
    return parse_config(text, environ=ENVIRON | environ, folder=folder)


def problems_of(text: str, *, folder: Path = Path("/etc/reconciler"), **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        read(text, folder=folder, **environ)
    return raised.value.problems


class TestDefaults:
    def test_the_full_example_says_what_the_minimal_config_stands_for(self) -> None:
        full = read(FULL)
        minimal = read(MINIMAL.replace("servicenow.acme", "servicenow.main"))
        assert minimal.schedule == full.schedule
        assert minimal.state == full.state
        assert minimal.servicenow == full.servicenow
        assert minimal.coralogix == full.coralogix
        assert minimal.policies.limits == full.policies.limits
        assert minimal.policies.routes == full.policies.routes
        assert minimal.policies.outbound == full.policies.outbound
        assert minimal.policies.owner == full.policies.owner == "Coralogix"
        usual, changed = minimal.policies.inbound["default"], full.policies.inbound["default"]
        assert {**usual.fields, "short_description": None} == {**changed.fields, "short_description": None}
        assert (usual.on_create, usual.on_resolve) == (changed.on_create, changed.on_resolve)

    def test_minimal(self) -> None:
        config = read(MINIMAL)
        assert config.coralogix.base_url == "https://api.eu2.coralogix.com"
        assert config.coralogix.partial_view is PartialView.REFUSE
        assert config.servicenow["acme"].auth is Auth.BASIC
        assert config.servicenow["acme"].workers == 8
        assert config.schedule.poll == timedelta(seconds=30)
        assert config.schedule.case_overlap == timedelta(minutes=10)
        assert config.schedule.incident_overlap == timedelta(minutes=5)
        assert config.schedule.first_lookback == config.policies.first_lookback == timedelta(days=1)
        assert config.schedule.drift_check == timedelta(minutes=15)
        assert config.policies.limits == Limits(
            max_creates_per_cycle=100, max_case_resolves_per_cycle=100, max_incident_resolves_per_cycle=200
        )
        assert config.policies.limits.max_changes_on_new_config == 50
        assert [(route.name, route.connector) for route in config.policies.routes] == [("everything", "acme")]

    def test_a_key_left_out_of_a_table_that_is_there_has_its_default(self) -> None:
        kept = read(MINIMAL + '[audit]\nvalues = "hash"\n[retention]\nrequests_days = 0\nhistory_days = 400\n')
        assert kept.audit.hides_values
        assert (kept.retention.requests, kept.retention.history) == (None, timedelta(days=400))
        config = read(MINIMAL + '[schedule]\npoll_seconds = 1\n[limits]\n[state]\n[[route]]\nwhen = "true"\n')
        assert config.schedule.poll == timedelta(seconds=1)
        assert config.schedule.case_overlap == timedelta(seconds=600)
        assert config.policies.limits == Limits()
        assert config.policies.routes == read(MINIMAL).policies.routes

    def test_short_times_are_valid(self) -> None:
        text = "[schedule]\npoll_seconds = 1\ncase_overlap_seconds = 0\nincident_overlap_seconds = 2\n"
        assert read(MINIMAL + text).schedule.case_overlap == timedelta(0)

    @pytest.mark.parametrize("region", ["EU2", "us1", "Us2", "us3", "eu1", "ap1", "ap2", "ap3"])
    def test_regions_in_any_case(self, region: str) -> None:
        config = read(MINIMAL.replace("eu2", region))
        assert config.coralogix.base_url == f"https://api.{region.lower()}.coralogix.com"


class TestAddresses:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("https://acme.service-now.com/", "https://acme.service-now.com"),
            ("https://ACME.service-now.com", "https://acme.service-now.com"),
            ("https://acme.example.com:8443", "https://acme.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.8.9.10", "http://127.8.9.10"),
            ("http://[::1]:9/", "http://[::1]:9"),
            ("http://localhost:8080", "http://localhost:8080"),
        ],
    )
    def test_accepted(self, written: str, meant: str) -> None:
        assert read(MINIMAL.replace("https://acme.service-now.com", written)).servicenow["acme"].instance_url == meant

    @pytest.mark.parametrize(
        ("written", "words"),
        [
            ("http://acme.service-now.com", "http:// only on loopback"),
            ("http://127.0.0.1.example.com", "http:// only on loopback"),
            ("https://acme.service-now.com/api/now", "/api/now is ours to add"),
            ("https://acme.service-now.com?token=hunter2", "allowed is a bare host"),
            ("https://admin:hunter2@acme.service-now.com", "holds a name or a password"),
            ("acme.service-now.com", "allowed is https:// and a host"),
            ("ftp://acme.service-now.com", "allowed is https:// and a host"),
            ("https://", "allowed is https:// and a host"),
            ("", "allowed is https:// and a host"),
            ("https://acme.service-now.com:99999", "allowed is https:// and a host"),
            ("https://ac me.service-now.com", "no space"),
            ("https://acme.service-now.com\\t", "no space"),
            ("https://[::1", "allowed is https:// and a host"),
        ],
    )
    def test_refused(self, written: str, words: str) -> None:
        (problem,) = problems_of(MINIMAL.replace("https://acme.service-now.com", written))
        assert problem.startswith("config:7: servicenow.acme.instance_url: ")
        assert words in problem
        assert "hunter2" not in problem

    def test_coralogix_by_address(self) -> None:
        text = MINIMAL.replace('region = "eu2"', 'base_url = "http://localhost:8080/"')
        config = read(text)
        assert (config.coralogix.base_url, config.coralogix.region) == ("http://localhost:8080", None)

    def test_coralogix_address_with_the_path_that_is_ours(self) -> None:
        address = "https://api.eu2.coralogix.com/mgmt/openapi/5"
        (problem,) = problems_of(MINIMAL.replace('region = "eu2"', f'base_url = "{address}"'))
        assert "/mgmt/openapi/5 is ours to add" in problem

    def test_proxy_may_be_plain_and_has_no_password(self) -> None:
        good = MINIMAL + 'proxy = "http://proxy.example.com:3128/"'
        assert read(good).servicenow["acme"].proxy == "http://proxy.example.com:3128"
        (problem,) = problems_of(MINIMAL + 'proxy = "http://me:hunter2@proxy.example.com:3128"')
        assert "hunter2" not in problem


class TestLogins:
    def login(self, **keys: str) -> str:
        lines = (
            f"{key} = {value if value.startswith('{') else chr(34) + value + chr(34)}" for key, value in keys.items()
        )
        return CORALOGIX + '[servicenow.acme]\ninstance_url = "https://acme.service-now.com"\n' + "\n".join(lines)

    @pytest.mark.parametrize(
        ("auth", "names"),
        [
            ("basic", ["username", "password"]),
            ("oauth_password", ["username", "password", "client_id", "client_secret"]),
            ("oauth_client_credentials", ["client_id", "client_secret"]),
            ("api_key", ["api_key"]),
        ],
    )
    def test_each_kind_needs_its_keys_and_no_others(self, auth: str, names: list[str]) -> None:
        secret = '{ env = "SERVICENOW_PASSWORD" }'
        every = {"username": "u", "password": secret, "client_id": "c", "client_secret": secret, "api_key": secret}
        config = read(self.login(auth=auth, **{name: every[name] for name in names}))
        assert config.servicenow["acme"].auth == auth
        missing = problems_of(self.login(auth=auth))
        assert [problem.split(": ")[1].split(".")[-1] for problem in missing] == sorted(names)
        foreign = problems_of(self.login(auth=auth, **every))
        assert len(foreign) == len(every) - len(names)
        assert all("does not belong here" in problem for problem in foreign)


class TestPaths:
    def test_relative_path_starts_at_the_config(self, tmp_path: Path) -> None:
        config = read(MINIMAL + '[state]\npath = "data/own.db"', folder=tmp_path, STATE_DIRECTORY="/var/lib/x")
        assert config.state.path == tmp_path / "data/own.db"

    def test_absolute_path(self) -> None:
        assert read(MINIMAL + '[state]\npath = "/srv/own.db"').state.path == Path("/srv/own.db")

    def test_systemd_gives_the_folder(self) -> None:
        config = read(MINIMAL, STATE_DIRECTORY="/var/lib/reconciler:/var/lib/other")
        assert config.state.path == Path("/var/lib/reconciler/reconciler.db")

    def test_without_either_it_is_beside_the_config(self, tmp_path: Path) -> None:
        assert read(MINIMAL, folder=tmp_path).state.path == tmp_path / "state/reconciler.db"

    def test_certificates_must_be_there(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("x")
        assert (
            read(MINIMAL + 'ca_bundle = "ca.pem"', folder=tmp_path).servicenow["acme"].ca_bundle == tmp_path / "ca.pem"
        )
        (problem,) = problems_of(MINIMAL + 'ca_bundle = "none.pem"', folder=tmp_path)
        assert str(tmp_path / "none.pem") in problem


class TestFinding:
    def test_in_the_order_of_the_contract(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        named, variable = tmp_path / "named.toml", tmp_path / "variable.toml"
        for path in (named, variable, tmp_path / "reconciler.toml"):
            path.write_text(MINIMAL)
        environ = {"RECONCILER_CONFIG": str(variable)}
        assert find_config(named, environ) == named
        assert find_config(None, environ) == variable
        assert find_config(None, {"RECONCILER_CONFIG": ""}) == Path("reconciler.toml")

    def test_the_one_that_is_named_must_be_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "reconciler.toml").write_text(MINIMAL)
        with pytest.raises(ConfigError, match="--config names"):
            find_config(tmp_path / "none.toml", {})
        with pytest.raises(ConfigError, match="RECONCILER_CONFIG names"):
            find_config(None, {"RECONCILER_CONFIG": "none.toml"})

    def test_nothing_anywhere_says_where_it_looked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("reconciler.config.file.SYSTEM_FILE", tmp_path / "etc.toml")
        with pytest.raises(ConfigError, match=r"looked for reconciler\.toml, .*etc\.toml; `reconciler init`"):
            find_config(None, {})

    def test_load(self, tmp_path: Path) -> None:
        path = tmp_path / "reconciler.toml"
        path.write_text("\ufeff" + MINIMAL.replace("\n", "\r\n"), "utf-8")
        config = load_config(path, ENVIRON)
        assert config.source == path
        assert config.state.path == tmp_path / "state/reconciler.db"

    def test_what_cannot_be_read_is_a_problem_with_its_place(self, tmp_path: Path) -> None:
        path = tmp_path / "reconciler.toml"
        path.write_bytes(b'owner = "x"\n# \xff\n')
        with pytest.raises(ConfigError, match=r"reconciler\.toml:2: is not UTF-8"):
            load_config(path, ENVIRON)
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(tmp_path, ENVIRON)


def test_loading_is_quick() -> None:
    read(FULL)
    started = time.process_time()
    read(FULL)
    assert time.process_time() - started < 0.15


class TestHashes:
    def test_policy_hash_follows_what_decides(self) -> None:
        usual = read(MINIMAL)
        same = read(MINIMAL + "[schedule]\npoll_seconds = 5\n[limits]\nmax_creates_per_cycle = 1")
        assert same.policy_hash == usual.policy_hash
        for changed in (
            "[[route]]\nwhen = 'case.priority == \"P1\"'",
            '[inbound.default.fields]\nshort_description = "{{ case.title }}!"',
            '[outbound.default]\nresolve_on = ["resolved"]',
            '[servicenow.acme.states]\n10 = "resolved"',
        ):
            assert read(MINIMAL + changed).policy_hash != usual.policy_hash

    def test_the_hash_does_not_hang_on_secrets_or_on_the_order_of_words(self) -> None:
        one = read(MINIMAL + '[outbound.default]\nclose_on = ["closed", "canceled"]')
        two = read(MINIMAL + '[outbound.default]\nclose_on = ["canceled", "closed"]', SERVICENOW_PASSWORD="other")
        assert one.policy_hash == two.policy_hash


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [("127.0.0.1:9464", "127.0.0.1", 9464), ("localhost:1", "127.0.0.1", 1), ("[::1]:0", "::1", 0)],
)
def test_where_metrics_are_read_is_an_address_of_this_machine(given: str, host: str, port: int) -> None:
    metrics = read(f'{MINIMAL}\n[metrics]\nlisten = "{given}"\ntextfile = "x.prom"\n').metrics
    assert metrics.listen is not None
    assert (metrics.listen.host, metrics.listen.port) == (host, port)
    assert metrics.textfile is not None
    assert metrics.textfile.is_absolute()


def test_who_is_told_by_messages_is_kept_as_secrets(tmp_path: Path) -> None:
    words = 'urls = [{ env = "ONE" }, { env = "TWO" }]\non = ["down"]\nheartbeat_url = { env = "TWO" }'
    notify = read(f"{MINIMAL}\n[notify]\n{words}\n", ONE="json://a", TWO="https://b").notify
    assert [secret.reveal() for secret in notify.urls] == ["json://a", "https://b"]
    assert notify.on == frozenset({Occasion.DOWN})
    assert notify.down == timedelta(minutes=10)
    assert notify.heartbeat is not None
    assert "https://b" not in repr(notify)
