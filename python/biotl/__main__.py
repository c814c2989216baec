"""`python -m biotl` is the `biotl` command."""

from biotl.cli import main

raise SystemExit(main())
