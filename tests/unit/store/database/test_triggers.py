"""Row hashes are the same in every version, whoever writes the JSON that is hashed."""

from __future__ import annotations

import hashlib
import json

import pytest

from reconciler.store.database.triggers import SqlCell, row_hash

EVERY_SIGN = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))


@pytest.mark.parametrize("value", [EVERY_SIGN, "", 0, -(2**63), 2**63 - 1, 1.5, b"\x00\xfe"])
def test_a_row_is_hashed_as_the_standard_librarys_json(value: SqlCell) -> None:
    row = {"seq": 1, "é": value.hex() if isinstance(value, bytes) else value}
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    assert row_hash("seq,left_out,é", 1, None, value) == hashlib.sha256(text.encode()).digest()
