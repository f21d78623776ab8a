#!/bin/sh
# Generates client/rungway/v1 from proto/rungway/v1, and what the adapter to Katib speaks from its copy of Katib's proto
# (or both into the folder given as $1).
set -eu
cd "$(dirname "$0")/.."
out=${1:-client}
bin=.venv-proto/bin
[ -x $bin/protoc-gen-mypy ] || {
  "${PYTHON:-python3}" -m venv .venv-proto
  $bin/python -m pip install --quiet --upgrade pip
  $bin/python -m pip install --quiet --group proto
}
edit() { # in place: sed -i is not the same everywhere
  sed_file=$1
  shift
  sed "$@" "$sed_file" > "$sed_file.new" && mv "$sed_file.new" "$sed_file"
}
mkdir -p "$out"
PATH="$PWD/$bin:$PATH" $bin/python -m grpc_tools.protoc -Iproto \
  --python_out="$out" --grpc_python_out="$out" --mypy_out=quiet:"$out" --mypy_grpc_out=quiet:"$out" \
  proto/rungway/v1/*.proto
# protoc writes empty service stubs for files without services.
for stub in "$out"/rungway/v1/*_pb2_grpc.py; do
  case "$stub" in *_service_pb2_grpc.py) ;; *) rm -f "$stub" "${stub}i" ;; esac
done
# The client runs with older runtimes than the generator's, so the checks of their versions are left out, and with them
# the one argument of stubs that old versions of grpc do not know (it only makes lookups of methods faster).
for module in "$out"/rungway/v1/*_pb2.py; do
  edit "$module" -e '/ import runtime_version as /d' -e '/^_runtime_version\./,/^)$/d'
done
for module in "$out"/rungway/v1/*_pb2_grpc.py; do
  edit "$module" -e '/^import warnings$/d' -e '/^GRPC_GENERATED_VERSION = /,/^    )$/d' \
    -e '/^ *_registered_method=True)$/s/_registered_method=True//'
done
for stub in "$out"/rungway/v1/*_pb2_grpc.pyi; do
  edit "$stub" -e '/^GRPC_.*VERSION: str$/d'
done
printf '"""Generated from proto/rungway/v1 by `make proto`: do not edit."""\n' > "$out/rungway/v1/__init__.py"
katib=server/rungway_server/katib/wire
PATH="$PWD/$bin:$PATH" $bin/python -m grpc_tools.protoc -I$katib \
  --python_out="${1:-$katib}" --mypy_out=quiet:"${1:-$katib}" $katib/api.proto
