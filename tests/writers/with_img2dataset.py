"""Downloads with img2dataset, in the environment of `make writers`: a JSON list of calls on standard input."""

import json
import sys

from img2dataset import download

if __name__ == "__main__":  # it starts processes, which read this file again
    for call in json.load(sys.stdin):
        download(**call)
