# The study's commands. Everything runs in .venv, which `make env` makes from requirements.lock.
#
#   make repro            run the whole study, or what is left of it
#   make test             run the tests
#   make smoke            run the whole study, tiny, in a temporary folder
#   make arm ARM=name     run one arm of params.yaml, its evaluation and the report
#   make trial ARM=name   run one arm on the validation styles, in a temporary folder; SET="training.steps=640 …" to tune
#   make curate POOL=dir  curate a pool of your own, of any known layout [OUT=dir ARGS=…]
#   make train POOL=dir   train CLIP on that curated pool, a new draw each epoch [OUT=… RUN=… SCALE=workstation ARGS=…]
#   make evaluate MODEL=… measure any CLIP on the paper's benchmarks or your own sets [TASK="xm* /path/to/set" DATA=dir LIST=1 ARGS=…]
#   make evaluate POOL=dir  measure a run of yours on the images that it never saw [OUT=… RUN=… ARGS=…]
#   make export POOL=dir  write its curated pairs as webdataset, parquet, datasets or uids: AS=webdataset TO=dir [OUT=… ARGS=…]
#   make export-model RUN=dir  write a finished run for open_clip or transformers, with tokenizer and model card: AS=open_clip TO=dir [ARGS=…]
#   make metadata         build lists of 329 languages from Wikipedia's dumps, page views and WordNets [LANGUAGES="en th"]
#   make readme           write README's block of results from results/
#   make lab              open JupyterLab on the notebooks
#   make plan SCALE=name  print what a scale would cost, without running it
#   make bench WHAT=study measure seconds, memory and pairs/s, stage by stage
#   make check            run ruff and mypy
#   make docs             build the pages of docs/, the report and the API reference as a site in site/
#   make env              make the virtual environment alone
#   make peers            install what benchmarks and some tests compare with: gensim (LGPL), wikiextractor (AGPL)
#   make rivals           install what `make bench WHAT=evaluation` compares with: mteb, clip-benchmark, transformers
#   make writers          install the libraries that write pools, in .venv-writers, for the tests of docs/pools.md (800 MB)
#   make pools            write docs/pools.md's tables: each layout by its real library, then curated
#   make clean            remove what dvc.lock proves the study made, from data/, runs/, reports/ and DVC's cache; all else stays

PYTHON ?=
WHAT ?= study
SCALE ?=
ARM ?=
POOL ?=
OUT ?=
RUN ?=
AS ?=
TO ?=
ARGS ?=
SET ?=
LANGUAGES ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
python := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help repro test smoke arm trial curate train evaluate export export-model metadata readme lab plan bench check docs env peers rivals writers pools clean

help:
	@sed -n 's/^#   //p' Makefile

repro: env
	@$(python) -m mc2lib repro

test: env
	@$(python) -m pytest -q -n auto --dist loadfile

smoke: env
	@$(python) -m mc2lib smoke

arm: env
	@test -n "$(ARM)" || { echo "error: name the arm: make arm ARM=small-worldwide (see arms in params.yaml)" >&2; exit 2; }
	@$(python) -m mc2lib arm "$(ARM)"

trial: env
	@test -n "$(ARM)" || { echo "error: name the arm: make trial ARM=small-worldwide (see arms in params.yaml)" >&2; exit 2; }
	@$(python) -m mc2lib trial $(ARM) $(if $(SCALE),--scale "$(SCALE)") $(if $(SET),--set $(SET))

curate: env
	@test -n "$(POOL)" || { echo "error: name the pool: make curate POOL=/path/to/pool [OUT=…]" >&2; exit 2; }
	@$(python) -m mc2lib curate "$(POOL)" $(if $(OUT),--out "$(OUT)") $(ARGS)

train: env
	@test -n "$(POOL)" || { echo "error: name the pool: make train POOL=/path/to/pool, after make curate" >&2; exit 2; }
	@$(python) -m mc2lib train "$(POOL)" $(if $(OUT),--out "$(OUT)") $(if $(RUN),--run "$(RUN)") $(if $(SCALE),--scale "$(SCALE)") $(ARGS)

evaluate: env
	@test -n "$(MODEL)$(RUN)$(POOL)$(LIST)" || { echo "error: name a model or a pool: make evaluate MODEL=/path/to/run TASK='xm*', or LIST=1 for what there is" >&2; exit 2; }
	@$(python) -m mc2lib evaluate $(if $(MODEL)$(RUN),"$(or $(MODEL),$(RUN))") $(if $(TASK),--tasks $(foreach task,$(TASK),'$(task)')) $(if $(DATA),--data "$(DATA)") $(if $(POOL),--pool "$(POOL)" $(if $(OUT),--curated "$(OUT)"),$(if $(OUT),--out "$(OUT)")) $(if $(LIST),--list) $(ARGS)

export: env
	@test -n "$(POOL)" && test -n "$(AS)" && test -n "$(TO)" || { echo "error: name pool, layout and target: make export POOL=/path/to/pool AS=webdataset TO=/path/to/target, after make curate" >&2; exit 2; }
	@$(python) -m mc2lib export "$(POOL)" $(if $(OUT),--out "$(OUT)") --as "$(AS)" --to "$(TO)" $(ARGS)

export-model: env
	@test -n "$(RUN)" && test -n "$(AS)" && test -n "$(TO)" || { echo "error: name run, library and target: make export-model RUN=/path/to/run AS=open_clip TO=/path/to/target" >&2; exit 2; }
	@$(python) -m mc2lib export-model "$(RUN)" --as "$(AS)" --to "$(TO)" $(ARGS)

metadata: env
	@$(python) -m mc2lib metadata $(if $(LANGUAGES),--languages $(LANGUAGES)) $(ARGS)

readme: env
	@$(python) -m mc2lib readme

lab: env
	@$(python) -m mc2lib lab

plan: env
	@$(python) -m mc2lib plan $(if $(SCALE),--scale "$(SCALE)") $(ARGS)

bench: env
	@test -f "benchmarks/$(WHAT).py" || { echo "error: no benchmark '$(WHAT)'; there is: $$(ls benchmarks | sed -n 's/\.py$$//p' | tr '\n' ' ')" >&2; exit 2; }
	@$(python) -m "benchmarks.$(WHAT)" $(if $(SCALE),--scale "$(SCALE)")

check: env
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy mc2lib

# What builds the site is added to .venv when it is first asked for; after that no network is needed.
docs: env
	@if ! cmp -s docs/requirements.lock .venv/installed-docs.lock; then \
	  echo "installing docs/requirements.lock into .venv (once)"; \
	  $(python) -m pip install --quiet --disable-pip-version-check --retries 8 --timeout 60 --require-hashes -r docs/requirements.lock || \
	    { echo "error: the installation failed; check the network and pip's index setting, then run make docs again" >&2; exit 1; }; \
	  cp docs/requirements.lock .venv/installed-docs.lock; \
	fi
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --quiet --strict
	@echo "open site/index.html"

# The installed lock is kept in the environment: if requirements.lock differs from it, it is installed again.
env:
	@if ! cmp -s requirements.lock .venv/installed.lock; then \
	  fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'; \
	  if ! $(python) -c "$$fits" 2>/dev/null; then \
	    found=; for name in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	      if "$$name" -c "$$fits" 2>/dev/null; then found=$$name; break; fi; done; \
	    if [ -z "$$found" ]; then echo "error: Python 3.11, 3.12 or 3.13 is needed; install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 2; fi; \
	    echo "making .venv with $$found"; "$$found" -m venv --clear .venv || exit 1; \
	  fi; \
	  echo "installing requirements.lock into .venv (some minutes, once)"; \
	  $(python) -m pip install --quiet --disable-pip-version-check --retries 8 --timeout 60 --require-hashes -r requirements.lock || \
	    { echo "error: the installation failed; check the network and pip's index setting, then run make again" >&2; exit 1; }; \
	  $(python) -c 'import sysconfig, pathlib; pathlib.Path(sysconfig.get_path("purelib"), "mc2lib.pth").write_text(f"{pathlib.Path.cwd()}\n")' || exit 1; \
	  cp requirements.lock .venv/installed.lock; \
	fi

peers: env
	@$(python) -m pip install --quiet --disable-pip-version-check --retries 8 --timeout 60 --require-hashes -r benchmarks/requirements.lock

rivals: env
	@$(python) -m pip install --quiet --disable-pip-version-check --retries 8 --timeout 60 --require-hashes --no-deps -r benchmarks/evaluation.lock

# As with `env`, the lock that was installed is kept: the same one does nothing.
writers: env
	@if ! cmp -s tests/writers/requirements.lock .venv-writers/installed.lock; then \
	  echo "installing tests/writers/requirements.lock into .venv-writers (about a minute, once)"; \
	  $(python) -m venv --clear .venv-writers && \
	  .venv-writers/bin/python -m pip install --quiet --disable-pip-version-check --retries 8 --timeout 60 --require-hashes -r tests/writers/requirements.lock || \
	    { echo "error: the installation failed; check the network and pip's index setting, then run make writers again" >&2; exit 1; }; \
	  cp tests/writers/requirements.lock .venv-writers/installed.lock; \
	fi

pools: writers
	@$(python) -m tests.io.pools.curations

clean: env
	@$(python) -m mc2lib clean
