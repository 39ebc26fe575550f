"""`python -m mc2lib COMMAND`: see `mc2lib.commands.command_line`."""

import sys

from mc2lib.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main())
