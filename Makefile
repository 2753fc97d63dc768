# Everything runs in .venv; nothing outside this folder is touched. `make` lists the targets.

PYTHON ?= python3.11 python3.12 python3.13 python3
BIN := .venv/bin
MYSQLD ?= $(shell command -v mysqld)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK := UV_CUSTOM_COMPILE_COMMAND='make lock' .venv/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade

.DEFAULT_GOAL := help
SECONDS ?= 3600

.PHONY: help pictures demo test test-mysql mysqld sweep signals fuzz azure cluster schedulers check bench docs lock audit

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: .venv/run.stamp data/log_content  ## write sample logs, run a pipeline on them and show the result
	@echo '$$ etlrun pipelines/interaction.yaml'
	@$(BIN)/etlrun pipelines/interaction.yaml
	@echo '$$ etlrun show pipelines/interaction.yaml profile -n 3 --where "Active = 29"'
	@$(BIN)/etlrun show pipelines/interaction.yaml profile -n 3 --where "Active = 29"
	@echo '$$ etlrun pipelines/behavior.yaml'
	@$(BIN)/etlrun pipelines/behavior.yaml
	@echo '$$ etlrun dashboard build'
	@$(BIN)/etlrun dashboard build
	@echo '$$ etlrun docs build'
	@$(BIN)/etlrun docs build
	@echo 'The documentation of this project is build/docs/index.html: open it in a browser.'
	@echo 'Now `. $(BIN)/activate`, and try:'
	@echo '  etlrun dashboard build --open                 the two pages in a browser'
	@echo '  etlrun docs build --open                      where every column comes from, in a browser'
	@echo '  etlrun test                                   the tests that stand beside the pipelines'
	@echo '  etlrun check                                  change a word in pipelines/interaction.yaml first'
	@echo '  etlrun compile pipelines/interaction.yaml     the SQL that runs'
	@echo '  etlrun --help                                 everything else; README.md says how to write a pipeline'

test: check .venv/mariadb.stamp .venv/postgres.stamp .venv/chromium.stamp .venv/node.stamp .venv/iceberg_reader.stamp .venv/warm_up.stamp  ## run every test, after the linter and the type checker
	@XDG_CACHE_HOME='$(CURDIR)/.venv/cache' $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test-mysql: mysqld .venv/dev.stamp  ## run the tests of the warehouse on MySQL itself: make test-mysql MYSQLD=/path/to/mysqld
	@ETLRUN_TEST_MYSQLD='$(MYSQLD)' $(BIN)/python -m pytest -q tests/mysql tests/contracts -k mysql

mysqld:
	@case "$$('$(MYSQLD)' --version 2>&1)" in \
	  *MariaDB*) wrong='$(MYSQLD) is MariaDB, on which `make test` runs these tests' ;; \
	  *mysqld*Ver*) exit 0 ;; \
	  *) wrong='$(if $(MYSQLD),$(MYSQLD) is no program of a MySQL server that runs here,there is no mysqld on the PATH)' ;; \
	esac; \
	echo "$$wrong; name one: make test-mysql MYSQLD=/path/to/mysqld (on Debian, sh tests/mysql/unpack_mysql.sh FOLDER puts one into FOLDER and installs nothing)" >&2; exit 1

sweep: .venv/dev.stamp .venv/mariadb.stamp .venv/postgres.stamp  ## cut the line to every kind of server at every byte of a publish, and kill runs at every write to a store: make sweep EVERY=40 (long)
	@ETLRUN_TEST_MOMENTS=30 $(BIN)/python -m pytest -q tests/mysql/test_kills.py
	@$(BIN)/python tests/stores/kills_in_stores.py
	@$(BIN)/python tests/contracts/sweep.py $(if $(EVERY),--every $(EVERY),--all)

fuzz: .venv/dev.stamp  ## compare the engines on random inputs: make fuzz SECONDS=600 SEED=7 TRIALS=1 ONLY=chains
	@cd tests && ../$(BIN)/python -m fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(if $(TRIALS),--trials $(TRIALS)) $(if $(ONLY),--only $(ONLY)) $(if $(FILES),--files $(FILES))

azure: .venv/dev.stamp .venv/azurite.stamp  ## run the tests of Azure's storage on azurite, which takes 360 MB of packages
	@$(BIN)/python -m pytest -q tests/stores/azure.py

cluster: .venv/dev.stamp  ## as root: walk the project through its days on a Spark cluster whose machines share no disk (long)
	@$(BIN)/python tests/stores/walk_on_a_cluster.py

schedulers: .venv/dev.stamp .venv/schedulers.stamp  ## let Airflow, Dagster and the schemas of Kubernetes and GitHub judge what `etlrun deploy` writes
	@$(BIN)/python tests/deploy/schedulers.py .venv/airflow .venv/dagster

N ?= 2000

signals: .venv/dev.stamp  ## send signals at random moments of runs on both engines: make signals N=2000 SECONDS=3600 SEED=7 (long)
	@$(BIN)/python -m tests.signals.sweep $(N) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m tests.signals.sweep $$(( $(N) / 20 )) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) --engine spark

check: .venv/dev.stamp  ## run the linter, the formatter (`ruff format .` repairs) and the type checker
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

bench: .venv/dev.stamp .venv/mariadb.stamp .venv/postgres.stamp .venv/jdbc.stamp  ## measure; the figures go into bench/README.md
	@for file in bench/[a-z]*.py; do echo "$$file"; $(BIN)/python $$file || exit 1; done

pictures: .venv/run.stamp .venv/chromium.stamp  ## take the pictures of the README again, after make demo
	@chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=9000 --window-size=1280,1180 \
	  --screenshot=docs/pictures/interaction.png "file://$(CURDIR)/build/dashboards/interaction.html" >/dev/null 2>&1
	@$(BIN)/python docs/terminal_picture.py
	@rm -rf build/customer360 && $(BIN)/etlrun init build/customer360 --template customer360 >/dev/null 2>&1
	@cd build/customer360 && $(CURDIR)/$(BIN)/etlrun docs build >/dev/null 2>&1
	@chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=9000 --window-size=1280,840 \
	  --screenshot=docs/pictures/docs.png "file://$(CURDIR)/build/customer360/build/docs/pipelines/behavior.html" >/dev/null 2>&1

docs: .venv/run.stamp  ## write the reference pages in docs/ and the schema for editors
	@$(BIN)/python docs/generate.py

lock: .venv/tools.stamp  ## choose new versions within the ranges of setup.cfg, with the hashes of their files
	@$(LOCK) --extra spark --extra java -o requirements.lock setup.cfg
	@$(LOCK) --all-extras -o requirements-dev.lock setup.cfg
	@$(LOCK) -o tests/lake/reader/requirements.lock tests/lake/reader/requirements.in

audit: .venv/dev.stamp .venv/tools.stamp  ## look for known weaknesses in what is installed, and list it (build/sbom.json)
	@mkdir -p build
	@.venv/tools/bin/cyclonedx-py environment .venv/bin/python -o build/sbom.json
	@.venv/tools/bin/pip-audit --disable-pip --require-hashes -r requirements-dev.lock

# data/log_content moves into place last: while it is absent, the logs are not complete.
data/log_content: | .venv/run.stamp
	@echo 'writing sample logs into data/'
	@$(BIN)/etlrun sample-data data/.new --contracts 20000 --users 5000 --force
	@test -e data/log_search || mv data/.new/log_search data/
	@mv data/.new/log_content data/
	@rm -rf data/.new

.venv/run.stamp: setup.cfg pyproject.toml requirements.lock | .venv/venv.stamp
	@echo 'installing etlrun, Spark, DuckDB and a Java into .venv (the first time this takes a few minutes)'
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --editable .
	@touch $@

.venv/dev.stamp: setup.cfg pyproject.toml requirements-dev.lock | .venv/venv.stamp
	@echo 'installing etlrun and what its tests need into .venv (the first time this takes a few minutes)'
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --editable .
	@touch $@ .venv/run.stamp

.venv/warm_up.stamp: .venv/dev.stamp
	@mkdir -p .venv/cache
	@XDG_CACHE_HOME='$(CURDIR)/.venv/cache' $(BIN)/etlrun warm-up
	@touch $@

.venv/tools.stamp: | .venv/venv.stamp
	@$(BIN)/python -m venv .venv/tools
	@.venv/tools/bin/pip install --quiet --disable-pip-version-check uv pip-audit cyclonedx-bom
	@touch $@

# Another reader of Iceberg tables than the library that etlrun writes them with: DuckDB's, which is there for an older DuckDB only.
.venv/iceberg_reader.stamp: tests/lake/reader/requirements.lock | .venv/venv.stamp
	@$(BIN)/python -m venv .venv/iceberg_reader
	@.venv/iceberg_reader/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/lake/reader/requirements.lock
	@touch $@

# Airflow allows few versions beside its own, so that each of the two has an environment.
.venv/schedulers.stamp: | .venv/venv.stamp
	@echo 'installing Airflow and Dagster into environments of their own (this takes a few minutes)'
	@$(BIN)/python -m venv .venv/airflow && .venv/airflow/bin/pip install --quiet --disable-pip-version-check apache-airflow
	@$(BIN)/python -m venv .venv/dagster && .venv/dagster/bin/pip install --quiet --disable-pip-version-check dagster kubernetes-validate check-jsonschema
	@touch $@

# The tests of the warehouse start a private MariaDB; where none is installed and we may, Debian's is.
.venv/mariadb.stamp: | .venv/venv.stamp
	@command -v mariadbd >/dev/null || test -x /usr/sbin/mariadbd || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo 'installing mariadb-server-core' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server-core >/dev/null; } || \
	  { echo 'the tests need MariaDB; on Debian: apt-get install --no-install-recommends mariadb-server-core' >&2; exit 1; }
	@touch $@

# The tests of pages open them in a real browser.
.venv/chromium.stamp: | .venv/venv.stamp
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo 'installing chromium' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || \
	  { echo 'the tests need Chromium; on Debian: apt-get install --no-install-recommends chromium' >&2; exit 1; }
	@touch $@

# What tests run on Node.js: the checker of accessibility, that of Power BI projects, the keyboard, and the language server of editors.
.venv/node.stamp: tests/dashboards/node/package.json tests/dashboards/node/package-lock.json | .venv/venv.stamp
	@command -v npm >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo 'installing nodejs and npm' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null; } || \
	  { echo 'the tests need Node.js 18 or later with npm; on Debian: apt-get install --no-install-recommends nodejs npm' >&2; exit 1; }
	@mkdir -p .venv/node && cp tests/dashboards/node/package.json tests/dashboards/node/package-lock.json .venv/node/
	@npm ci --prefix .venv/node --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# Azurite brings 450 packages, four times as much as all other tools of Node.js, so that `make test` does without it.
.venv/azurite.stamp: tests/stores/azurite/package.json tests/stores/azurite/package-lock.json .venv/node.stamp
	@mkdir -p .venv/azurite && cp tests/stores/azurite/package.json tests/stores/azurite/package-lock.json .venv/azurite/
	@npm ci --prefix .venv/azurite --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# PostgreSQL's too. Debian would make a cluster of its own and start it; the tests start theirs.
.venv/postgres.stamp: | .venv/venv.stamp
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo 'installing postgresql' && apt-get update -qq && \
	  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; } || \
	  { echo 'the tests need PostgreSQL 13 or later; on Debian: apt-get install --no-install-recommends postgresql' >&2; exit 1; }
	@touch $@

# The benches compare with Spark's JDBC writer, which needs the drivers of the two servers.
.venv/jdbc.stamp: | .venv/venv.stamp
	@test -e /usr/share/java/postgresql.jar -a -e /usr/share/java/mariadb-java-client.jar || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo 'installing JDBC drivers' && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libpostgresql-jdbc-java libmariadb-java >/dev/null; } || \
	  { echo 'the benches need two drivers; on Debian: apt-get install libpostgresql-jdbc-java libmariadb-java' >&2; exit 1; }
	@touch $@

.venv/venv.stamp:
	@for python in $(PYTHON); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  name=$$python; \
	  $$python -c 'import venv, ensurepip' 2>/dev/null || continue; \
	  $$python -m venv .venv && $(PIP) wheel && touch $@ && exit 0; \
	  exit 1; \
	done; \
	if [ "$$name" ]; then echo "$$name cannot make virtual environments; on Debian: apt-get install python3-venv (or $$name-venv)" >&2; \
	else echo 'Python 3.11 or later is needed, and none of $(PYTHON) is one; name yours: make PYTHON=/path/to/python3' >&2; fi; \
	exit 1
