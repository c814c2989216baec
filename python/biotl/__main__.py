"""`python -m biotl` is the `biotl` command."""

from biotl.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
