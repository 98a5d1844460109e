"""Print what cycles cost: ``python -m tests.bench [--cases N]``.

Every row has its peers beside it, measured in the same run: the floor (the same requests sent bare, with one
session) and a naive script (one look-up and one create for each Case, no memory). Read the ratios.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from reconciler.core.identity import record_id
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.sandbox.servicenow.api.login import API_PASSWORD
from tests.bench.stage import KEY, USER, Services, context, services

LIST = "/mgmt/openapi/5/cases/cases/v1"
TABLE = "/api/now/table/incident"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Hold what one measured call cost."""

    seconds: float
    cpu_seconds: float
    requests: int

    def per(self, other: Cost) -> str:
        """Give the ratio of wall times."""
        return f"{self.seconds / other.seconds:5.2f}x"


def measured(call: Callable[[], int]) -> Cost:
    """Measure one call, which gives the number of its requests."""
    wall, cpu = time.perf_counter(), time.process_time()
    sent = call()
    return Cost(seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu, requests=sent)


def cycle(one: Context) -> tuple[CycleReport, int]:
    """Run one cycle and count its requests."""
    cycle_id = uuid.uuid4().hex
    report = run_cycle(one, CycleRequest(), cycle_id=cycle_id)
    rows = one.store.database.read("SELECT count(*) FROM http WHERE cycle_id = ?", (cycle_id,))
    return report, int(rows[0][0])


class Bare:
    """Send requests with nothing around them: the floor."""

    def __init__(self, at: Services) -> None:
        self.at = at
        self.session = requests.Session()
        self.session.trust_env = False
        login = base64.b64encode(f"{USER}:{API_PASSWORD}".encode()).decode()
        self.case_headers = {"Authorization": f"Bearer {KEY}"}
        self.record_headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}

    def list_cases(self) -> list[dict[str, str]]:
        """Read every Case."""
        cases: list[dict[str, str]] = []
        token = None
        while True:
            page = {"pageSize": 200, **({"pageToken": token} if token else {})}
            answer = self.session.post(
                self.at.cases + LIST, json={"pagination": page}, headers=self.case_headers, timeout=60
            ).json()
            cases += answer["cases"]
            token = answer["pagination"].get("nextPageToken")
            if not token:
                return cases

    def create(self, case: dict[str, str], owner: str) -> None:
        """Create one record."""
        body = {
            "sys_id": record_id(owner, case["id"]),
            "correlation_id": case["id"],
            "correlation_display": owner,
            "short_description": case["title"],
        }
        answer = self.session.post(self.at.records + TABLE, json=body, headers=self.record_headers, timeout=60)
        answer.raise_for_status()

    def look_up(self, case: dict[str, str]) -> None:
        """Ask for the record of one Case."""
        query = {"sysparm_query": f"correlation_id={case['id']}", "sysparm_limit": "2"}
        answer = self.session.get(self.at.records + TABLE, params=query, headers=self.record_headers, timeout=60)
        answer.raise_for_status()


def create_all(cases: int) -> None:
    """Compare a cycle that creates N records with a naive script and with the floor."""
    with tempfile.TemporaryDirectory() as folder, services(cases) as at, context(at, Path(folder)) as one:
        ours = measured(lambda: cycle(one)[1])
    with services(cases) as at:
        bare = Bare(at)

        def naive() -> int:
            found = bare.list_cases()
            for case in found:
                bare.look_up(case)
                bare.create(case, "naive")
            return 2 * len(found)

        def floor() -> int:
            found = bare.list_cases()
            for case in found:
                bare.create(case, "floor")
            return len(found)

        script, least = measured(naive), measured(floor)
    print(
        f"{cases:>7} creates   ours {_row(ours)}  naive {_row(script)}  floor {_row(least)}"
        f"  ours/naive {ours.per(script)}  ours/floor {ours.per(least)}"
    )


def quiet(links: int) -> Cost:
    """Measure a cycle in which nothing changed, with a number of links at rest."""
    with tempfile.TemporaryDirectory() as folder, services(links) as at, context(at, Path(folder)) as one:
        for _ in range(3):
            cycle(one)
        at.advance(3600)
        cost = min((measured(lambda: cycle(one)[1]) for _ in range(5)), key=lambda each: each.seconds)
    print(f"{links:>7} links     quiet cycle {_row(cost)}")
    return cost


def _row(cost: Cost) -> str:
    return f"{1000 * cost.seconds:8.1f} ms {1000 * cost.cpu_seconds:8.1f} ms cpu {cost.requests:>6} requests"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="how many records are created")
    parser.add_argument("--links", type=int, nargs="*", default=[10, 1000, 10000], help="links of the quiet cycles")
    asked = parser.parse_args()
    costs = [quiet(links) for links in asked.links]
    for cost in costs[1:]:
        grown = 1000 * (cost.seconds - costs[0].seconds)
        print(f"          grown by {grown:+.1f} ms, {cost.per(costs[0])} of the smallest")
    create_all(asked.cases)


if __name__ == "__main__":
    main()
