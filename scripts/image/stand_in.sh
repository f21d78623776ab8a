#!/usr/bin/env bash
# Makes a stand-in for python:3.12-slim-trixie on a machine that no registry serves: Debian by mmdebstrap from the mirrors
# of this machine, and a Python 3.12 that is installed here. ENGINE="podman" stand_in.sh IMAGE makes IMAGE, and
# IMAGE-build with binutils. Needs root. PYTHON names the interpreter.
set -euo pipefail
image=$1
read -ra engine <<<"$ENGINE"
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
rootfs=$work/rootfs

sources() { # the machine's own mirrors, for trixie
  local here; here=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | sort -u | while read -r uri release; do
    case $release in
      "$here" | "$here-updates" | "$here-security") echo "deb $uri ${release/#$here/trixie} main" ;;
    esac
  done
}

find_python() { # the prefix of a Python 3.12 that can be copied
  local each
  for each in "${PYTHON:-}" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12.*/bin/python3.12 "$(command -v python3.12 || true)"; do
    if [ -x "$each" ] && "$each" -c 'import sys; print(sys.base_prefix)' 2>/dev/null; then return; fi
  done
  echo "no Python 3.12 on this machine: set PYTHON" >&2
  return 1
}

import() { # the file system as an image
  tar -C "$rootfs" --one-file-system -c . | "${engine[@]}" import \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'ENV LANG=C.UTF-8' \
    --change 'CMD ["python3"]' - "$1" >/dev/null
}

prefix=$(find_python)
sources >"$work/sources.list"
mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include=binutils,ca-certificates,netbase,tzdata,libssl3,libffi8,libsqlite3-0,libbz2-1.0,liblzma5,libreadline8,libncursesw6,libuuid1,zlib1g,libnsl2,libcrypt1,libexpat1 \
  --customize-hook='rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap' \
  trixie "$rootfs" - <"$work/sources.list"
tar -C "$prefix" -c --exclude='*/test' --exclude='*/tests' --exclude='*/idlelib' --exclude='*/tkinter' \
  --exclude='*/site-packages/*' --exclude=__pycache__ --exclude='*.a' --exclude='config-3.12*' bin/python3.12 lib include |
  tar -C "$rootfs/usr/local" -x
ln -sf python3.12 "$rootfs/usr/local/bin/python3"
ln -sf python3 "$rootfs/usr/local/bin/python"
# As in the image that it stands for: without debug information.
chroot "$rootfs" sh -c 'ldconfig; find /usr/local/bin/python3.12 /usr/local/lib -type f \( -name "*.so*" -o -name python3.12 \) -exec strip --strip-all {} +'
chroot "$rootfs" python -I -B -m ensurepip --default-pip >/dev/null 2>&1
chroot "$rootfs" python -I -B -c 'import ssl, sqlite3, ctypes, lzma, bz2, readline, uuid'
find "$rootfs/usr/local" -name __pycache__ -type d -exec rm -rf {} +
rm -rf "$rootfs"/var/lib/apt/lists/* "$rootfs"/var/cache/apt/*
import "$image-build"
chroot "$rootfs" dpkg --purge --force-depends $(chroot "$rootfs" dpkg-query -W -f '${Package}\n' | grep -E '^(binutils|libbinutils|libctf|libgprofng|libsframe|libjansson4)') >/dev/null 2>&1
import "$image"
