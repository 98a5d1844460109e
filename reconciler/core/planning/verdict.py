"""The verdicts: what the rules decide about one pair, before a field is rendered."""

from __future__ import annotations

from reconciler.core.frozen import dataclass
from reconciler.core.model import Elsewhere, Skip, Stage
from reconciler.core.planning.plan import Question
from reconciler.core.planning.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Leave:
    """Do nothing about a pair."""

    here: Standing
    """the pair, with the link that is remembered from now on; so in the verdicts below"""
    skip: Skip | None = None
    elsewhere: Elsewhere | None = None
    """the record by other means that is remembered from now on"""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Read something before anything is decided."""

    here: Standing
    questions: tuple[Question, ...]


@dataclass(frozen=True, kw_only=True)
class Create:
    """Make the record of a Case."""

    here: Standing


@dataclass(frozen=True, kw_only=True)
class Adopt:
    """Bind the link to a record that is there already."""

    here: Standing
    found: Standing
    """the same pair with that record"""
    then: Verdict
    """what becomes of the pair once it is linked"""


@dataclass(frozen=True, kw_only=True)
class Follow:
    """Bring each side of a link after the other."""

    here: Standing
    is_left_to_people: bool
    """the record is sent nothing, but for a note"""
    is_over: Skip | None
    """what is said in place of a change of the record, where it is over"""
    withheld: Skip | None
    """what is said in place of a change of the record, while ``update_when`` is false"""
    has_note: bool
    """the record is told that its Case is active again"""
    case_goes_to: Stage | None
    """None: the Case is left where it is"""
    moved_back: Skip | None
    """which side was moved back across ``resolved``, or that a note about it may still arrive"""
    stands_back: Skip | None
    """which side was moved back below it; said where nothing is done"""


Verdict = Leave | Ask | Create | Adopt | Follow
