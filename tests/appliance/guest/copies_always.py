"""The hub with a low mark: its log is copied into the file all the time, beside the writer (sync.checkpoints).

No shift under emulation makes the log as long as the product's mark; power cuts must find it at work, and nothing lost.
"""

import sys

from hub.cli import main
from sync import checkpoints

checkpoints.CHECKPOINT_PAGES = 60
sys.exit(main())
