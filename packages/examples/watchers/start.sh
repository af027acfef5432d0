#!/usr/bin/env bash
# Three voters and two watchers in a chain: 4 follows the leader, 5 follows 4. So 5 costs the leader
# nothing, and a hundred like it would not, either. When 4 is away, 5 follows the leader itself.
#
#   packages/examples/watchers/start.sh [CONFIG [DATA_DIR]]      ends with Ctrl-C
#
#   quorate status --server 127.0.0.1:4185                       who is there
#   quorate create /greeting hello --server 127.0.0.1:4185       a watcher forwards writes
#   quorate get /greeting --server 127.0.0.1:4185                and answers reads by itself
#   quorate watch / --from e0:0 --server 127.0.0.1:4185          what is committed, in order
set -euo pipefail
config=${1:-$(dirname "$0")/ensemble.json}
data=${2:-watchers-data}
quorate=${QUORATE:-node packages/cli/dist/main.js}

trap 'kill $(jobs -p)' INT TERM
for id in 1 2 3; do
  $quorate server --config "$config" --node-id $id --data-dir "$data/$id" &
done
$quorate watcher --config "$config" --node-id 4 --data-dir "$data/4" &
$quorate watcher --config "$config" --node-id 5 --data-dir "$data/5" --upstreams 4 &
# The first ends with the signal, the second with the last node.
wait || wait
