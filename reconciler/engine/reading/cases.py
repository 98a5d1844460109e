"""Cases read one by one, by their id: what a listing did not show, or showed with an older time than is remembered."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.errors import AuthFailed, Malformed, Missing, RemoteError
from reconciler.core.model import Case, System
from reconciler.engine.context import Context
from reconciler.store.values import Pulled


def read_cases(context: Context, case_ids: Sequence[str]) -> frozenset[str]:
    """Read and remember these Cases as they are now, whatever their times say; return those that answered 404.

    One that is there and cannot be read stops nothing: it stays as it is remembered. Raises AuthFailed.
    """
    cases: list[Case] = []
    missing: set[str] = set()
    for done, case_id in enumerate(case_ids):
        context.step("reading Cases one by one", done, len(case_ids))
        try:
            cases.append(context.cases.get_case(case_id))
        except Missing:
            missing.add(case_id)
        except AuthFailed:
            raise
        except (RemoteError, Malformed):
            continue
    context.remember(Pulled(system=System.CORALOGIX, cases=tuple(cases), read_now=True))
    return frozenset(missing)
