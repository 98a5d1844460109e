"""The story of one link as the document of ``explain --json``: the facts, and what follows from the config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.cli.options import Globals
from reconciler.cli.showing.what_to_do import WHAT_TO_DO
from reconciler.cli.start import read_config
from reconciler.cli.times import utc_now
from reconciler.core.errors import ConfigError
from reconciler.core.lifecycle import STATE_WORDS
from reconciler.core.model import ActionKind, Incident, JsonObject, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import DOCUMENT_VERSION, action_document
from reconciler.core.planning.preview.outlook import Outlook, at_rest, outlook, rule_of
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.policies import Policies
from reconciler.store.store import Store
from reconciler.store.values import Row, Story

if TYPE_CHECKING:
    from reconciler.config.model import Config

NOT_KNOWN = Outlook(
    because=("the config is wrong, so what it makes of this is not known",),
    until=("the config is right; `reconciler check` tells what is wrong",),
)


def tell(options: Globals, store: Store, case_id: str) -> tuple[JsonObject, Mapping[str, str]] | None:
    """Return the story of a Case as a document, and the names of rows that are known; None where it is not known."""
    config, story = _config(options), store.reports.story(case_id)
    if story is None:
        return None
    ahead = _ahead(story, config, store) if config else NOT_KNOWN
    policies = config.policies if config else None
    return story_document(story, ahead, policies), store.facts.names_of_rows(story.pair.link.connector)


def _config(options: Globals) -> Config | None:
    """Read the config in force; None where it is wrong: the history can be shown without it."""
    try:
        return read_config(options, needs_secrets=False)
    except ConfigError:
        return None


def _ahead(story: Story, config: Config, store: Store) -> Outlook:
    """Look ahead; of a link that the next cycle does not plan, as of most, the last decision stands: nothing."""
    now = utc_now()
    if story.is_at_rest and store.journal.config_hash() == config.policy_hash:
        return at_rest(Standing(pair=story.pair, policies=config.policies, knowledge=Knowledge(now=now, origin=now)))
    from reconciler.engine.acting.lookups import remembered_knowledge  # noqa: PLC0415 - what is at rest needs none

    return outlook(story.pair, config.policies, remembered_knowledge(store, config.policies, now))


def story_document(story: Story, ahead: Outlook, policies: Policies | None) -> JsonObject:
    """Write a story, and what comes next, as one document."""
    case, link = story.pair.case, story.pair.link
    return {
        "version": DOCUMENT_VERSION,
        "case": {
            "id": case.id,
            "key": case.key,
            "title": case.title,
            "status": case.status,
            "priority": case.priority,
            "created_at": case.created_at.isoformat(),
            "url": case.url or None,
        },
        "incident": _incident(story, policies),
        "link": {
            "route": link.route or None,
            "inbound": link.inbound or None,
            "outbound": link.outbound or None,
            "connector": link.connector or None,
            "table": link.table or None,
            "case_peak": _word(link.case_peak),
            "incident_peak": _word(link.incident_peak),
            "agreed": _word(link.agreed),
            "generation": link.generation,
            "ignored": bool(link.ignored_fingerprint),
        },
        "skip": _skip(story),
        "now": _now(story, ahead),
        "waits_for_next_cycle": story.needs_plan,
        "notifications": [dict(row) for row in story.notifications],
        "actions": list(_actions(story)),
        "requests": [dict(row) for row in story.requests],
    }


def _incident(story: Story, policies: Policies | None) -> JsonObject | None:
    incident: Incident | None = story.pair.incident
    if incident is None:
        return None
    return {
        "sys_id": incident.sys_id,
        "number": incident.number,
        "state": incident.state,
        "state_word": policies.state_word(story.pair.link, incident) if policies else STATE_WORDS.get(incident.state),
        "assigned_to": incident.assigned_to or None,
        "updated_at": incident.updated_at.isoformat(),
        "updated_by": incident.updated_by,
    }


def _skip(story: Story) -> JsonObject | None:
    if story.skip is None:
        return None
    hold = story.pair.link.hold
    return {
        "reason": story.skip.reason.value,
        "detail": story.skip.detail,
        "since": story.skip_since.isoformat() if story.skip_since else None,
        "next_retry_at": hold.next_retry_at.isoformat() if hold else None,
        "what_to_do": WHAT_TO_DO.get(story.skip.reason),
    }


def _now(story: Story, ahead: Outlook) -> JsonObject:
    """Say what the next cycle would do, or why nothing is done, and what would change that."""
    skip = story.skip or ahead.skip
    because = [f"{skip.reason.value}: {skip.detail or ''}".removesuffix(": ")] if skip else list(ahead.because)
    to_do = WHAT_TO_DO.get(skip.reason) if skip else None
    return {
        "next": [action_document(action) for action in ahead.actions if ahead.skip or not story.skip],
        "because": because,
        "until": [to_do] if to_do else list(ahead.until),
    }


def _actions(story: Story) -> Iterator[JsonObject]:
    """Yield each action with the rule that it followed, and the old and new value of each field."""
    values: dict[object, list[Row]] = {}
    for row in story.values:
        values.setdefault(row["action_seq"], []).append(row)
    for row in story.actions:
        stage = Stage.from_word(str(row["to_stage"]))
        yield {
            **row,
            "cause": row["cause_seq"],
            "rule": rule_of(ActionKind(str(row["kind"])), stage, story.pair.link),
            "values": [
                {name: one[name] for name in ("field", "old_value", "new_value", "kept_value")}
                for one in values.get(row["seq"], [])
            ],
        }


def _word(stage: Stage | None) -> str | None:
    return stage.word if stage else None
