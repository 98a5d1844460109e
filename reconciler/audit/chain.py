"""Verify that evidence is as it was written, by walking the chain and every row that it binds.

The walk is pure: it gets the entries, the states and the rows, and returns what does not match. It finds a row that was
changed, removed, added or moved, an entry that was changed or cut off, a trigger that was dropped. It cannot find that
the whole file was replaced by an earlier copy, or rewritten from end to end: for that, a head that was noted outside
the file must be in the chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Protocol

from reconciler.core.frozen import dataclass
from reconciler.store.database.triggers import CHAINED, NO_HASH, START, Key, Kind, chain_hash, seal_hash
from reconciler.store.ledger import Entry, Seal, State

PROBLEMS_SHOWN = 20
"""How many problems are listed; the first is what matters."""


class Evidence(Protocol):
    """What is verified; ``store.ledger.Ledger`` implements it, on one snapshot of the database."""

    def head(self) -> tuple[int, bytes]:
        """Return the number and hash of the last entry, as the database has noted them."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Stream the chain from its beginning."""
        ...

    def states(self, table: str) -> Iterator[State]:
        """Stream the last entry about each row of a table, by key."""
        ...

    def rows(self, table: str) -> Iterator[tuple[Key, bytes]]:
        """Stream the hashes of a table's rows as they are now, by key."""
        ...

    def seals(self) -> Iterator[Seal]:
        """Stream what was pruned."""
        ...

    def missing_guards(self) -> list[str]:
        """Name the triggers that are not as they were made."""
        ...


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One thing that is not as it was written."""

    seq: int
    """the entry of the chain that does not fit; 0 where there is none"""
    table: str
    key: Key | None
    words: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The result of a walk."""

    entries: int
    rows: int
    pruned: int
    since: str | None
    """from when on the chain proves something"""
    head: str
    head_seq: int
    finds_head: bool | None
    """whether the head that was asked for lies in the chain; None when none was asked for"""
    broken: tuple[Broken, ...]
    """in the order of the chain, the first few"""
    problems: int
    """how many there are, those that are not listed included"""

    @property
    def is_whole(self) -> bool:
        """Return whether everything is as it was written, and the head that was asked for was found."""
        return not self.broken and self.finds_head is not False


@dataclass
class _Walk:
    """Collect results during the walk."""

    broken: list[Broken] = field(default_factory=list)
    entries: int = 0
    rows: int = 0
    pruned: int = 0
    since: str | None = None
    finds_head: bool = False

    def add(self, seq: int, table: str, key: Key | None, words: str) -> None:
        self.broken.append(Broken(seq=seq, table=table, key=key, words=words))


def verify(evidence: Evidence, *, head: str | None = None) -> Verified:
    """Walk the chain and every row that it binds; ``head`` is a hash that was noted earlier, in hex."""
    walk = _Walk()
    for name in evidence.missing_guards():
        walk.add(0, "", None, f"the trigger {name} was dropped, changed or added")
    _walk_chain(walk, evidence, bytes.fromhex(head) if head else None)
    seals = {seal.seq: seal for seal in evidence.seals()}
    for table, chained in CHAINED.items():
        _compare(walk, table, evidence, seals, may_be_gone=chained.kind is Kind.PRESENT)
    noted_seq, noted = evidence.head()
    return Verified(
        entries=walk.entries,
        rows=walk.rows,
        pruned=walk.pruned,
        since=walk.since,
        head=noted.hex(),
        head_seq=noted_seq,
        finds_head=walk.finds_head if head else None,
        broken=tuple(sorted(walk.broken, key=lambda one: one.seq))[:PROBLEMS_SHOWN],
        problems=len(walk.broken),
    )


def _walk_chain(walk: _Walk, evidence: Evidence, wanted: bytes | None) -> None:
    """Check each entry against the one before, and the last one against the stored head."""
    chain, seq = NO_HASH, 0
    for entry in evidence.entries():
        if entry.seq != seq + 1:
            walk.add(seq + 1, entry.table, entry.key, f"the entries {seq + 1} to {entry.seq - 1} of the chain are gone")
        if chain_hash(chain, entry.table, entry.key, entry.row_hash) != entry.chain:
            walk.add(entry.seq, entry.table, entry.key, "does not fit what was written before it")
        chain, seq = entry.chain, entry.seq
        walk.entries += 1
        walk.finds_head = walk.finds_head or entry.chain == wanted
        if walk.since is None and entry.table == START:
            walk.since = str(entry.key)
    if evidence.head() != (seq, chain):
        walk.add(seq + 1, "", None, "the chain does not end in its head: entries were cut off or added")


def _compare(walk: _Walk, table: str, evidence: Evidence, seals: Mapping[int, Seal], *, may_be_gone: bool) -> None:
    """Compare the rows of a table with the last entry about each."""
    sealed: dict[int, list[bytes]] = {}
    for state, row in _merged(evidence.states(table), evidence.rows(table)):
        if state is None:
            walk.add(0, table, row[0] if row else None, "was never written by the reconciler")
        elif row is None and state.seal is not None:
            sealed.setdefault(state.seal, []).append(state.row_hash)
            walk.pruned += 1
        elif row is None:
            if not (may_be_gone and state.row_hash == NO_HASH):
                walk.add(state.seq, table, state.key, "is gone, and was not pruned")
        elif row[1] != state.row_hash or state.seal is not None:
            walk.add(state.seq, table, state.key, "is not as it was written")
        walk.rows += row is not None
    _hold_to_seals(walk, table, sealed, {seq: seal for seq, seal in seals.items() if seal.table == table})


def _merged(
    states: Iterator[State], rows: Iterator[tuple[Key, bytes]]
) -> Iterator[tuple[State | None, tuple[Key, bytes] | None]]:
    """Merge what the chain and the table hold for each key; both are sorted by key."""
    state, row = next(states, None), next(rows, None)
    while state is not None or row is not None:
        if row is None or (state is not None and _before(state.key, row[0])):
            yield state, None
            state = next(states, None)
        elif state is None or _before(row[0], state.key):
            yield None, row
            row = next(rows, None)
        else:
            yield state, row
            state, row = next(states, None), next(rows, None)


def _before(one: Key, other: Key) -> bool:
    """Compare as SQLite does: numbers before text, text by its bytes."""
    if isinstance(one, str) and isinstance(other, str):
        return one.encode() < other.encode()
    if isinstance(one, int) and isinstance(other, int):
        return one < other
    return isinstance(one, int)


def _hold_to_seals(walk: _Walk, table: str, sealed: Mapping[int, Iterable[bytes]], seals: Mapping[int, Seal]) -> None:
    """Compare the rows that are gone with the seals written when they were pruned."""
    for seq in sorted(sealed.keys() | seals.keys()):
        hashes, seal = list(sealed.get(seq, ())), seals.get(seq)
        if seal is None or (len(hashes), seal_hash(hashes)) != (seal.rows, seal.hash):
            walk.add(0, table, None, f"what the seal {seq} took is not what is gone: {len(hashes)} rows are")
