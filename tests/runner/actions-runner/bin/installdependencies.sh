#!/bin/bash
# The machine has all that this runner needs.
[ "$(id -u)" -eq 0 ] || { echo "must run with elevated privileges" >&2; exit 1; }
