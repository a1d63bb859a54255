"""`python -m hub` is `storehub`."""

import sys

from hub.cli import main

sys.exit(main())
