# GNU make 4. Paths are relative, so that the checkout may lie anywhere, blanks included.
SHELL = /bin/sh
PYTHON =
WORKERS = 2
PYTEST_FLAGS =
PIP = .venv/bin/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format bench acceptance clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: .venv/plots.stamp ## train a reader of handwritten words and show what it reads
	@.venv/bin/python models/ocr/demo.py

# A file's tests share a worker, so that what they set up together is made once. FGC_CACHE_DIR:
# compiled code stays out of the home, which may be read-only.
test: .venv/dev.stamp ## run the tests
	@FGC_CACHE_DIR="$$PWD/.venv/fgc-cache" .venv/bin/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_FLAGS)

check: .venv/dev.stamp ## lint, format, types, direction of imports
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	.venv/bin/lint-imports --no-logo

format: .venv/dev.stamp ## put the code into its form
	.venv/bin/python -m ruff check --fix .
	.venv/bin/python -m ruff format .

bench: .venv/dev.stamp ## measure speed
	@.venv/bin/python benchmarks/run.py

acceptance: .venv/dev.stamp ## compare answers with published and proven figures
	@.venv/bin/python benchmarks/acceptance.py

clean: ## delete what was built or cached, but not .venv
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis .coverage htmlcov .venv/fgc-cache
	find . -path ./.venv -prune -o -path ./.git -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## delete .venv as well
	rm -rf .venv

.venv/plots.stamp: setup.cfg pyproject.toml | .venv/bin/python
	@echo "installing fgc into .venv"
	@$(PIP) -e '.[plots]'
	@touch $@

.venv/dev.stamp: setup.cfg pyproject.toml | .venv/bin/python
	@echo "installing fgc and its tools into .venv"
	@$(PIP) -e '.[dev]'
	@touch $@ .venv/plots.stamp

# A command named python3.13 may be a shim that only prints an error, so each one is run.
# The first that can make environments is taken; failing that, the error names the way out.
.venv/bin/python:
	@found=; bare=; sudo='sudo '; \
	[ "$$(id -u)" != 0 ] || sudo=; \
	for candidate in '$(PYTHON)' python3.14 python3.13 python3.12 python3.11 python3 python; do \
	    [ -n "$$candidate" ] || continue; \
	    "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	    if "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	    [ -n "$$bare" ] || bare=$$candidate; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	    version=$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    echo "$$bare cannot make a virtual environment: it has no ensurepip. Run this, then make again:" >&2; \
	    if command -v apt-get >/dev/null 2>&1; then echo "    $${sudo}apt-get install python$$version-venv" >&2; \
	    elif command -v dnf >/dev/null 2>&1; then echo "    $${sudo}dnf install python$$version" >&2; \
	    else echo "    make PYTHON=/path/to/a/complete/python3" >&2; fi; \
	    exit 1; \
	fi; \
	if [ -z "$$found" ]; then \
	    echo "fgc needs Python 3.11 or newer, and none was found. Run this, then make again:" >&2; \
	    if command -v apt-get >/dev/null 2>&1; then \
	        wanted=python3-venv; \
	        ! apt-cache show python3.11-venv >/dev/null 2>&1 || wanted=python3.11-venv; \
	        echo "    $${sudo}apt-get install $$wanted" >&2; \
	    elif command -v dnf >/dev/null 2>&1; then echo "    $${sudo}dnf install python3.12" >&2; \
	    elif command -v brew >/dev/null 2>&1; then echo "    brew install python@3.13" >&2; \
	    else echo "    make PYTHON=/path/to/python3.11" >&2; fi; \
	    exit 1; \
	fi; \
	echo "making .venv with $$found"; \
	"$$found" -m venv --clear .venv || { rm -rf .venv; exit 1; }
