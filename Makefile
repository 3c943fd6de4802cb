# Everything a fresh machine needs: `make run` serves the demo, `make test` is the gate.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup run test check fast prove bench lock clean

setup: $(VENV)/.ready-run

$(VENV)/.ready-run: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.ready-test: requirements-test.txt $(VENV)/.ready-run
	$(BIN)/pip install --quiet --require-hashes -r requirements-test.txt
	touch $@

$(VENV)/.ready-bench: requirements-bench.txt $(VENV)/.ready-test
	$(BIN)/pip install --quiet --require-hashes -r requirements-bench.txt
	touch $@

run: setup ## serve the demo company on the loopback address
	$(BIN)/chatia serve --demo $(ARGS)

test: $(VENV)/.ready-test ## the gate: lint, types, contracts, every test
	$(BIN)/pytest -m "not prove" $(ARGS)

fast: $(VENV)/.ready-test ## inner loop: tests without the whole-tree checks
	$(BIN)/pytest -m "not gate and not prove" -x -q $(ARGS)

check: $(VENV)/.ready-test ## the whole-tree checks alone
	$(BIN)/pytest -m gate -q $(ARGS)

prove: $(VENV)/.ready-test ## long proofs: kill loops, big state machines, mutations
	CHATIA_PROVE=1 $(BIN)/pytest -m prove $(ARGS)

bench: $(VENV)/.ready-bench ## e.g. make bench ARGS="inbound --max"
	$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.ready-test ## rewrite the locked requirements from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	for extra in "" test bench; do \
	  out=requirements$${extra:+-$$extra}.txt; \
	  $(BIN)/uv pip compile pyproject.toml --extra build $${extra:+--extra $$extra} --quiet --generate-hashes \
	    --no-emit-index-url --no-header --universal --python-version 3.11 -o $$out; \
	done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
