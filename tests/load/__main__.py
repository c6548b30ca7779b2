"""`python -m tests.load`: the soak."""

import sys

from tests.load.soak import main

sys.exit(main())
