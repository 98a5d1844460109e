"""The Containerfile and the Kubernetes manifest: what of them can be checked without a container."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.load import parse_config

ROOT = Path(__file__).resolve().parents[3]
CONTAINERFILE = ROOT / "Containerfile"
MANIFEST = ROOT / "systemd" / "kubernetes.yaml"
NO_ROOT = 10001


def stages() -> list[list[str]]:
    """Give the instructions of each stage, continued lines joined."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    starts = [place for place, line in enumerate(lines) if line.startswith("FROM ")]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def instruction(name: str) -> str:
    """Give what the one instruction of that name in the last stage says."""
    [found] = [line.partition(" ")[2] for line in stages()[-1] if line.startswith(f"{name} ")]
    return found


def documents() -> dict[str, Any]:
    """Give the manifest's documents by their kind."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return {one["kind"]: one for one in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))}


def pod() -> dict[str, Any]:
    found: dict[str, Any] = documents()["Deployment"]["spec"]["template"]["spec"]
    return found


def accept(arguments: list[str]) -> None:
    """Check that the program takes a command line; an option that it does not know is refused before the help."""
    asked = [sys.executable, "-m", "reconciler", *arguments, "--help"]
    answered = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert answered.returncode == 0, answered.stderr


def test_what_is_copied_is_there_and_no_secret_is() -> None:
    copied = [
        line.split()[1:-1] for stage in stages() for line in stage if line.startswith("COPY ") and "--from" not in line
    ]
    names = [name for one in copied for name in one]
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert {"requirements.lock", "reconciler", "systemd"} <= set(names)
    assert "--require-hashes -r /src/requirements.lock" in CONTAINERFILE.read_text(encoding="utf-8")


def test_the_image_runs_as_a_user_without_rights() -> None:
    assert instruction("USER") == f"{NO_ROOT}:{NO_ROOT}"
    assert f"--uid {NO_ROOT}" in CONTAINERFILE.read_text(encoding="utf-8")
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert f"STATE_DIRECTORY={instruction('VOLUME')}" in instruction("ENV")


def test_the_commands_of_the_image_are_real() -> None:
    health = re.findall(r'"([^"]+)"', instruction("HEALTHCHECK").partition("CMD ")[2])
    assert health == ["reconciler", "status", "--check"]
    accept(health[1:])
    assert instruction("ENTRYPOINT") == '["reconciler"]'
    accept(re.findall(r'"([^"]+)"', instruction("CMD")))


def test_a_linter_has_nothing_to_say_against_it() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if hadolint is None:
        pytest.skip("hadolint is not on this machine")
    checked = subprocess.run([hadolint, str(CONTAINERFILE)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_manifest_fits_the_schemas_of_kubernetes() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for document in documents().values():
        validator.validate(document, validator.latest_version(), strict=True)


def test_there_is_one_process_on_a_volume_of_its_own() -> None:
    deployment = documents()["Deployment"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    claim = documents()["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    [state] = [one["name"] for one in pod()["volumes"] if "persistentVolumeClaim" in one]
    [container] = pod()["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounts[state] == instruction("VOLUME")
    assert set(mounts) == {one["name"] for one in pod()["volumes"]}


def test_the_pod_has_no_rights_and_its_secrets_are_files_that_not_everybody_reads() -> None:
    [container] = pod()["containers"]
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["securityContext"]["runAsUser"] == NO_ROOT
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "env" not in container
    [secrets] = [one["secret"] for one in pod()["volumes"] if "secret" in one]
    assert secrets["defaultMode"] & 0o007 == 0


def test_the_probes_ask_what_the_program_answers() -> None:
    [container] = pod()["containers"]
    probes = {name: container[f"{name}Probe"]["exec"]["command"] for name in ("startup", "liveness", "readiness")}
    assert probes["liveness"][:2] == ["sh", "-c"]
    assert probes["liveness"][2].endswith("|| [ $? -eq 3 ]"), "a brake waits for a person, not for a restart"
    accept(probes["liveness"][2].partition(" || ")[0].split()[1:])
    for name in ("startup", "readiness"):
        accept(probes[name][1:])


def test_the_config_of_the_manifest_is_valid(tmp_path: Path) -> None:
    text = documents()["ConfigMap"]["data"]["reconciler.toml"]
    for name in ("coralogix_api_key", "servicenow_password"):
        (tmp_path / name).touch(mode=0o640)
        (tmp_path / name).write_text("a secret")
    config = parse_config(text.replace("/etc/reconciler-secrets", str(tmp_path)), environ={}, folder=tmp_path)
    assert config.coralogix.region == "eu2"
