# Two commands: `make demo` shows what roadseg does, `make test` checks that it does it.
# Each makes an environment of its own under build/; PYTHON=python3.12 chooses another Python.

PYTHON ?= python3
DEMO := build/venv-demo
TEST := build/venv-test
# Tools that labels are drawn as, pixel by pixel; without what they need to show windows.
AGREED := "labelme>=5.5" "cityscapesscripts>=2.2" "pyquaternion>=0.9"
SOURCES := pyproject.toml CMakeLists.txt $(wildcard runtime/csrc/*)

.PHONY: demo test lint clean

demo: $(DEMO)/.installed
	$(DEMO)/bin/python examples/demo.py --out demo

test: $(TEST)/.installed lint
	$(TEST)/bin/python -m pytest -q

lint: $(TEST)/.installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/python tests/count_checked.py $(TEST)/bin/mypy
	PATH=$(abspath $(TEST))/bin:$$PATH $(TEST)/bin/lint-imports

# The demo needs no torch: it starts from the float network that is in the package.
$(DEMO)/.installed: $(SOURCES)
	@echo "making the environment $(DEMO) (once)"
	@$(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/pip install --quiet --disable-pip-version-check ".[export]"
	@touch $@

$(TEST)/.installed: $(SOURCES)
	@echo "making the environment $(TEST) (once; torch is large)"
	@$(PYTHON) -m venv $(TEST)
	@$(TEST)/bin/pip install --quiet --disable-pip-version-check --upgrade pip
	@$(TEST)/bin/pip install --quiet -e ".[all]" --group dev
	@$(TEST)/bin/pip install --quiet --no-deps $(AGREED)
	@$(TEST)/bin/pip install --quiet "pydensecrf2>=1.1" || echo "the dense CRF does not build here: its tests skip"
	@touch $@

clean:
	rm -rf build demo
