#!/bin/sh
# Takes out of an environment what no service needs: slim.sh FOLDER. Tests, stubs, sources of compiled modules, and, where
# `strip` is there, their debug information (uvloop's is 14 MB).
set -eu
folder=$1/lib
find "$folder" -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} +
find "$folder" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.a' \
  -o -name '*.c' -o -name '*.h' \) -delete
rm -rf "$folder"/python3.*/site-packages/numpy/f2py
if ! command -v strip >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends binutils; } \
    >/dev/null 2>&1 || { echo "no strip, and no binutils from apt: the image will be 15 MB larger" >&2; exit 0; }
fi
find "$folder" -type f -name '*.so*' -exec strip --strip-unneeded {} +
