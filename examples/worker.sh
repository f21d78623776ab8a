#!/bin/sh
# A worker with curl, jq and awk alone: fits y = sin(3 x) with a polynomial by gradient descent.
#
#   sh examples/worker.sh     # as many as you like; where they are needed, RUNGWAY_HTTP=https://…, RUNGWAY_TOKEN, and
#                             # CURL_CA_BUNDLE, the file of an authority of your own
set -eu
server=${RUNGWAY_HTTP:-http://localhost:7078} experiment=${RUNGWAY_EXPERIMENT:-sine-shell}
folder=${CHECKPOINTS:-/tmp/$experiment} lease='' renewing=''

# METHOD FILTER [OPTIONS OF JQ]: the answer. While there is none, the same is sent again: one requestId, one effect.
call() {
  method=$1 filter=$2 && shift 2
  body=$(jq -nc --arg experiment "$experiment" --arg id "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" "$@" "$filter")
  while :; do
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "${RUNGWAY_TOKEN:-}" | curl --config - -sS --max-time 60 \
      -w '\n%{http_code}' -H 'Content-Type: application/json' -d "$body" "$server/rungway.v1.$method") || :
    case ${answer##*[!0-9]} in
      200) printf '%s' "${answer%???}" && return ;;
      000 | 408 | 429 | 502 | 503 | 504) sleep 1 ;;
      *) printf '%s: %s\n' "$method" "$answer" >&2 && return 1 ;;
    esac
  done
}
get() { printf '%s' "$1" | jq -r "$2"; }

# N FROM TO: trains N epochs from one checkpoint to the next, prints the error.
epochs() {
  awk -v n="$1" -v to="$3" -v rate="$rate" -v momentum="$momentum" -v size="$size" '
    function residual(x) { p = 0; for (i = size; i > 0; i--) p = p * x + w[i]; return p - sin(3 * x) }
    { for (i = 1; i <= size; i++) { w[i] = $i; v[i] = $(size + i) } }
    END {
      while (n-- > 0) {
        for (i = 1; i <= size; i++) { v[i] *= momentum; g[i] = 0 }
        for (x = -1; x < 1.01; x += 0.05) { r = residual(x); for (i = 1; i <= size; i++) { g[i] += r; r *= x } }
        for (i = 1; i <= size; i++) w[i] += v[i] -= rate * g[i] * 2 / 41
      }
      for (x = -1; x < 1.01; x += 0.05) error += residual(x) ^ 2 / 41
      for (i = 1; i <= 2 * size; i++) printf "%.17g ", (i > size ? v[i - size] : w[i]) >to
      print error < 1e6 ? error : "\"NaN\""
    }' "$2"
}
stop_renewing() { kill "$renewing" 2>/dev/null || :; renewing='' lease=''; }
# On the way out, after Ctrl-C too: another worker goes on from the last checkpoint, at no cost.
give_back() {
  [ -z "$lease" ] || call SearchService/Release '{$experiment, requestId: $id, releases: [{lease: $lease}]}' \
    --argjson lease "$lease" >/dev/null
  stop_renewing
}
trap give_back EXIT && trap 'exit 130' INT TERM

# ASSIGNMENT: trains it up to the decision that ends its lease.
train() {
  lease=$(get "$1" '.lease | tojson') trial=$(get "$1" .lease.trial) size=$(get "$1" '.hparams.degree + 1')
  rate=$(get "$1" .hparams.learning_rate) momentum=$(get "$1" .hparams.momentum) state=$(get "$1" .checkpoint)
  length=$(get "$1" .fromLength) next=$(get "$1" .nextDecisionLength)
  third=$(get "$1" '.leaseDuration | rtrimstr("s") | tonumber / 3')
  (while sleep "$third" && kill -0 $$; do # while this worker lives
    call SearchService/Heartbeat '{$experiment, leases: [$lease]}' --argjson lease "$lease"
  done) >/dev/null 2>&1 & renewing=$!
  while reports=''; do # from decision to decision: reports on the way there are told together
    while [ "$length" -lt "$next" ]; do
      step=$((next - length < 4 ? next - length : 4)) length=$((length + step)) saved=$folder/$trial-$length-$$
      error=$(epochs "$step" "${state:-/dev/null}" "$saved") state=$saved
      reports="$reports, {length: $length, metric: $error}"
    done
    if [ "$error" = '"NaN"' ]; then
      call SearchService/Fail '{$experiment, requestId: $id, $lease, outcome: "OUTCOME_DIVERGED"}' \
        --argjson lease "$lease" >/dev/null
      break
    fi
    told=$(call SearchService/Tell "{\$experiment, requestId: \$id,
      results: [{\$lease, \$checkpoint, reports: [${reports#,}]}]}" --argjson lease "$lease" --arg checkpoint "$state")
    next=$(get "$told" '.verdicts[0].nextDecisionLength')
    echo "trial $trial: error $error at $length, $(get "$told" '.verdicts[0] | "\(.decision) (\(.explanation.text))"')"
    [ "$next" != 0 ] || break # not CONTINUE: PAUSE, STOP, or SUPERSEDED, when another worker has the trial by now
  done
  stop_renewing
}

mkdir -p "$folder"
call ExperimentService/CreateExperiment '{$experiment, requestId: $id, config: {
  hyperparameters: {learning_rate: {type: "log", base: 10, minval: -3, maxval: 0},
    momentum: {type: "double", minval: 0, maxval: 0.95}, degree: {type: "int", minval: 1, maxval: 9}},
  searcher: {name: "adaptive_asha", metric: "error", max_trials: 40, max_length: {epochs: 64}}, seed: 7}}' >/dev/null ||
  echo "$experiment is there: this worker joins it"
while answer=$(call SearchService/Ask '{$experiment, requestId: $id, $worker, wait: "30s"}' --arg worker "$$@$(uname -n)"); do
  case $(get "$answer" .status) in
    ASK_STATUS_ASSIGNED) train "$(get "$answer" '.assignments[0] | tojson')" ;;
    ASK_STATUS_WAIT) sleep "$(get "$answer" '.retryAfter | rtrimstr("s")')" ;;
    *) get "$answer" '.bestTrial | "best: trial \(.trial), \(.bestMetric)"' && break ;;
  esac
done
