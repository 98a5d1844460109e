# What a change passes, by name. The gate, .ci/run, runs these recipes too, and does so without make: they are plain
# lines of shell, with no variables.

.PHONY: setup check fix fast test slow campaign docs lock gate

setup: .venv ## make .venv with everything that the others need

.venv:
	python3 -m venv .venv
	.venv/bin/pip install --quiet -e '.[dev]'

check: .venv ## style and types, in some seconds
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

fix: .venv ## mend what of the style can be mended by a program
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

fast: .venv ## the unit tests, in half a minute
	.venv/bin/python -m pytest -q -n auto tests/unit

test: .venv ## every test but the slow ones
	.venv/bin/python -m pytest -q -n auto

slow: .venv ## the tests that take seconds each: histories, kills, sizes
	.venv/bin/python -m pytest -q -n auto -m gate --timeout 600

campaign: .venv ## two hundred schedules of people, faults, kills and restarts
	.venv/bin/python -m tests.campaign --schedules 200 --seed 1 --workers 2

docs: .venv ## write what is generated in the documentation anew, and check every page
	.venv/bin/python -m tests.pages
	.venv/bin/python -m pytest -q tests/unit/house/test_readme.py tests/unit/house/test_docs_commands.py tests/unit/house/test_pages.py tests/unit/house/test_store_readme.py

lock: .venv ## choose the newest versions that are allowed, and write them with their hashes
	.venv/bin/pip install --quiet uv
	.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock pyproject.toml
	.venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --all-extras -o requirements-dev.lock pyproject.toml

gate: ## all that a change has to pass, in a fresh clone
	.ci/run
