"""Tests that run inside the VM, where the kernel has cameras; see ../test_in_vm.py."""

from __future__ import annotations

import os

if not os.environ.get("RUN_IN_VM"):
    collect_ignore_glob = ["*"]
