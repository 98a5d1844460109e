"""Secrets: three ways in, none out but on purpose."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from reconciler.config.secrets import Secret
from reconciler.core.errors import ConfigError
from tests.unit.config.test_load import MINIMAL, problems_of, read

VALUE = "hunter2-Wq/9+x"


def key(secret: str) -> str:
    return MINIMAL.replace('{ env = "CORALOGIX_API_KEY" }', secret)


def secret_file(folder: Path, *, mode: int = 0o600, text: str = VALUE + "\n", name: str = "key") -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


class TestRightWays:
    def test_environment(self) -> None:
        assert read(MINIMAL, CORALOGIX_API_KEY=VALUE).coralogix.api_key.reveal() == VALUE

    @pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
    def test_file_beside_the_config(self, tmp_path: Path, mode: int) -> None:
        secret_file(tmp_path, mode=mode)
        assert read(key('{ file = "key" }'), folder=tmp_path).coralogix.api_key.reveal() == VALUE

    def test_credential_of_systemd(self, tmp_path: Path) -> None:
        secret_file(tmp_path, name="cx")
        config = read(key('{ credential = "cx" }'), CREDENTIALS_DIRECTORY=str(tmp_path))
        assert config.coralogix.api_key.reveal() == VALUE

    def test_as_a_table_of_its_own(self) -> None:
        text = MINIMAL.replace('api_key = { env = "CORALOGIX_API_KEY" }', '[coralogix.api_key]\nenv = "OTHER"')
        assert read(text, OTHER=VALUE).coralogix.api_key.reveal() == VALUE

    def test_a_rotated_file_is_read_anew(self, tmp_path: Path) -> None:
        path = secret_file(tmp_path)
        secret = read(key('{ file = "key" }'), folder=tmp_path).coralogix.api_key
        path.write_text("rotated")
        assert secret.reveal() == "rotated"
        path.unlink()
        with pytest.raises(ConfigError, match="cannot be read"):
            secret.reveal()


class TestRefused:
    @pytest.mark.parametrize("written", [f'"{VALUE}"', "12345678", f'["{VALUE}"]'])
    def test_in_the_file(self, written: str) -> None:
        (problem,) = problems_of(key(written))
        assert problem.startswith("config:4: coralogix.api_key: a secret is never written in the file; allowed is")
        assert '{ env = "NAME" }, { file = "PATH" } or { credential = "NAME" }' in problem

    def test_a_file_that_others_can_read(self, tmp_path: Path) -> None:
        path = secret_file(tmp_path, mode=0o644)
        (problem,) = problems_of(key(f'{{ file = "{path}" }}'))
        assert f"chmod o= {path}" in problem

    @pytest.mark.parametrize(
        ("place", "words"),
        [
            ('{ env = "NOT_SET" }', "NOT_SET is not set"),
            ('{ env = "EMPTY" }', "is empty"),
            ('{ env = "LINES" }', "line break"),
            ('{ file = "/nowhere/key" }', "/nowhere/key cannot be read"),
            ('{ file = "/" }', "is not a file"),
            ('{ credential = "cx" }', "CREDENTIALS_DIRECTORY"),
            ("{ }", "found 0 places"),
            ('{ env = "EMPTY", file = "/x" }', "found 2 places"),
        ],
    )
    def test_what_is_not_there_is_a_problem_at_load(self, place: str, words: str) -> None:
        (problem,) = problems_of(key(place), EMPTY="", LINES="a\nb")
        assert problem.startswith("config:4: coralogix.api_key: ")
        assert words in problem

    def test_a_byte_order_mark_is_no_part_of_a_secret(self, tmp_path: Path) -> None:
        path = secret_file(tmp_path)
        path.write_bytes(b"\xef\xbb\xbf" + VALUE.encode() + b"\r\n")
        assert read(key(f'{{ file = "{path}" }}')).coralogix.api_key.reveal() == VALUE

    def test_a_credential_is_no_path(self, tmp_path: Path) -> None:
        (problem,) = problems_of(key('{ credential = "../cx" }'), CREDENTIALS_DIRECTORY=str(tmp_path))
        assert "without a folder" in problem

    def test_a_login_of_another_kind_does_not_hide_its_bad_secret_elsewhere(self) -> None:
        problems = problems_of(MINIMAL + 'client_secret = "x"\n', CORALOGIX_API_KEY="")
        assert len(problems) == 2


class TestSilence:
    @pytest.mark.parametrize(
        "written",
        [
            f'"{VALUE}"',
            f'{{ env = "{VALUE}" }}',
            f'{{ file = "{VALUE}" }}',
            f'{{ credential = "{VALUE}" }}',
            f'{{ value = "{VALUE}" }}',
            f'{{ env = ["{VALUE}"] }}',
            f'{{ env = {{ name = "{VALUE}" }} }}',
        ],
    )
    def test_no_message_repeats_a_secret_put_in_the_wrong_place(self, written: str, tmp_path: Path) -> None:
        told = problems_of(key(written), CREDENTIALS_DIRECTORY=str(tmp_path))
        assert told
        assert VALUE not in " ".join(told)

    @pytest.mark.parametrize("line", [f'pasword = "{VALUE}"', f'token = "{VALUE}"', f"password = {VALUE}"])
    def test_nor_one_under_a_wrong_key_or_in_broken_toml(self, line: str) -> None:
        assert VALUE not in " ".join(problems_of(MINIMAL + line))

    def test_nothing_shows_the_value(self, tmp_path: Path) -> None:
        path = secret_file(tmp_path)
        config = read(key(f'{{ file = "{path}" }}'), SERVICENOW_PASSWORD=VALUE)
        for text in (repr(config), str(config.coralogix.api_key), f"{config.coralogix.api_key}"):
            assert VALUE not in text
        assert repr(config.coralogix.api_key) == f"Secret(source='file {path}')"

    def test_two_are_equal_by_their_place(self) -> None:
        assert Secret(source="env A", read=lambda: "1") == Secret(source="env A", read=lambda: "2")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_we_cannot_read(tmp_path: Path) -> None:
    path = secret_file(tmp_path, mode=0o000)
    (problem,) = problems_of(key(f'{{ file = "{path}" }}'))
    assert "cannot be read" in problem


def test_a_file_that_others_can_write(tmp_path: Path) -> None:
    path = secret_file(tmp_path, mode=0o602)
    (problem,) = problems_of(key(f'{{ file = "{path}" }}'))
    assert "can be written by every user" in problem
    assert f"chmod o= {path}" in problem


def test_a_file_that_is_too_long_is_read_no_further_than_its_limit(tmp_path: Path) -> None:
    path = secret_file(tmp_path)
    os.truncate(path, 500_000_000)
    tracemalloc.start()
    (problem,) = problems_of(key(f'{{ file = "{path}" }}'))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "is longer than the 16384 characters that a secret may have" in problem
    assert most < 10_000_000
