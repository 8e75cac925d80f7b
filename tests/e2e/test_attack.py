#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What attackers try against a running host: wrong HTTP, wrong JSON, other people's data, egress to private places,
secrets in wrong places, poisonous connectors, and load meant to hurt. Each part is a file attack_*.py; names of tests
on the command line select (Framing, Json.test_...).
"""
import os

import harness
from attack_api import Expressions, Json, Malformed, Tenants  # noqa: F401
from attack_http import Framing, Keys, Target  # noqa: F401
from attack_inside import Carried, Egress, Poison, Secrets  # noqa: F401
from attack_load import Address, Rates  # noqa: F401

if not os.environ.get("PB_TEST_SANITIZED"):
    from attack_load import Load  # noqa: F401

if __name__ == "__main__":
    harness.main()
