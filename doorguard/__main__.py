"""Run the command line: ``python -m doorguard``."""

from doorguard.cli.main import main

raise SystemExit(main())
