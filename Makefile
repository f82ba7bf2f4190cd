# Everything runs in a virtual environment of its own, made from the lock file. Needs Python >= 3.11, make and git.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test check bench soak kill fuzz conformance attacks lock clean
LONG   := -o faulthandler_timeout=0

demo: $(STAMP)  ## A small lively mall at http://127.0.0.1:8000
	$(BIN)/merchantry demo

test: $(STAMP)  ## All tests, on a real PostgreSQL that they start themselves
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(STAMP)  ## Style, types, and what the tree promises: floors, documents, schema.graphql, fresh equals migrated
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/merchantry schema --check schema.graphql
	$(BIN)/pytest tests/test_floors.py tests/test_documents.py tests/tenancy/test_provisioning.py

bench: $(STAMP)  ## Every benchmark, one table each
	$(BIN)/python -m benchmarks

SOAK_STEPS ?= 20000
SEED       ?= 1
REPLAY     ?=
soak: $(STAMP)  ## Long random stories against the model, SOAK_STEPS steps from SEED; REPLAY tells one failed batch again
	$(BIN)/python -m tests.model.soak --steps $(SOAK_STEPS) --seed $(SEED) $(if $(REPLAY),--replay $(REPLAY))

kill: $(STAMP)  ## Worker, database and API stopped at every place and killed at 200 random moments each; 300 sequencers and 200 senders of webhooks and of mail killed
	KILL_EVERY=1 KILL_TIMES=200 SEQUENCER_KILLS=300 WEBHOOK_EVENTS=5000 WEBHOOK_KILLS=200 MAIL_EVENTS=5000 MAIL_KILLS=200 $(BIN)/pytest $(LONG) -s tests/kill

FUZZ_SECONDS ?= 600
fuzz: $(STAMP)  ## Hostile requests made up for FUZZ_SECONDS: no 500, no text of ours that is not for others
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest $(LONG) -s tests/graphql_api/test_fuzz.py

conformance: $(STAMP)  ## Audits and clients that other people wrote, against `merchantry serve`; needs Node and npm
	cd conformance && npm ci --no-audit --no-fund
	$(PYTHON) -m venv conformance/.venv
	conformance/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r conformance/python/requirements.txt
	$(BIN)/python conformance/run.py

attacks: $(STAMP)  ## 10,000 random attacks on a copy of the database by its superuser, each found and named; SEED to replay
	ATTACKS=10000 SEED=$(SEED) $(BIN)/pytest $(LONG) -s tests/attacks

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Merchantry needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lock: $(STAMP)  ## Resolve pyproject.toml anew into requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --extra embedded --group dev pyproject.toml --output-file requirements.lock --upgrade --quiet --no-header

clean:
	rm -rf $(VENV) .merchantry
