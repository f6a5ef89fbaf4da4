#!/usr/bin/env bash
# Set up (.venv, once) and start. Paths are relative to the checkout.
#
#   ./launch.sh                the default experiment: LeNet-5 on the embedded digits, in runs/lenet5_digits
#   ./launch.sh test           the tests
#   ./launch.sh VERB ARGS...   python -m cnn_history.VERB ARGS...   (train, evaluate, study ...; see --help)
#   EXTRAS=compile ./launch.sh compile --config=FILE --topology=v5e:2x4   memory and communication of a run
#                              on a TPU slice that you do not have, from the TPU's own compiler
#   ./launch.sh python ARGS... the environment's Python
#   ./launch.sh processes N VERB ARGS...   N cooperating processes on this machine
#   ./launch.sh tpu [--dry-run] NAME ZONE VERB ARGS...   copy the checkout to every worker of a TPU VM or
#                              pod slice, and start the same command on each
#   ./launch.sh slurm [--dry-run] VERB ARGS...   one task on each host of a Slurm allocation
#
# PYTHON=python3.12 chooses the interpreter, ACCELERATOR=cpu|cuda|tpu overrides detection,
# EXTRAS=torch (a comma list) installs more of setup.cfg's extras.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

SUPPORTED="3.13 3.12 3.11"  # newest first
VENV=.venv

fail() { echo "launch.sh: $*" >&2; exit 2; }

# A shim or a Python without venv may be on PATH but not run, so try each.
runs() { "$1" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] not in '$SUPPORTED'.split())" >/dev/null 2>&1; }

find_python() {
  local candidate
  if [[ -n "${PYTHON:-}" ]]; then
    runs "$PYTHON" || fail "PYTHON=$PYTHON does not run, or is not one of Python $SUPPORTED with venv."
    echo "$PYTHON"; return
  fi
  for candidate in $SUPPORTED; do
    if runs "python$candidate"; then echo "python$candidate"; return; fi
  done
  if runs python3; then echo python3; return; fi
  fail "found no Python $SUPPORTED with venv. Install one (https://www.python.org/downloads, or 'apt install python3-venv'), or name it with PYTHON=."
}

accelerator() {
  if [[ -n "${ACCELERATOR:-}" ]]; then echo "$ACCELERATOR"
  elif compgen -G "/dev/accel*" >/dev/null || [[ -n "${TPU_NAME:-}" ]]; then echo tpu
  elif command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then echo cuda
  else echo cpu
  fi
}

# By default, glibc returns each step's memory to the system and gets it back page by page, at 1.5 us per
# page: ResNet-20's steps take a fifth longer. These settings keep it, in huge pages (docs/speed.md).
keep_memory() {
  local heap=mmap_max=0:trim_threshold=17179869184:top_pad=67108864:hugetlb=1
  export GLIBC_TUNABLES="${GLIBC_TUNABLES:-glibc.malloc.${heap//:/:glibc.malloc.}}"
}

# Install the packages in setup.cfg, once. The stamp names what was installed, and is written last.
set_up() {
  local extras python wanted device
  device=$(accelerator)
  case "$device" in
    cpu)
      extras="$1"
      [[ "$command" == test ]] || keep_memory ;;  # tests compile much and compute little
    cuda | tpu) extras="$1,$device" ;;
    *) fail "ACCELERATOR: expected cpu, cuda or tpu, got $device." ;;
  esac
  extras=$(tr ',' '\n' <<<"$extras,${EXTRAS:-}" | sed '/^$/d' | sort -u | paste -sd, -)
  wanted="$(cksum setup.cfg pyproject.toml) [$extras] ${PYTHON:-}"
  [[ "$(cat "$VENV/installed" 2>/dev/null)" == "$wanted" ]] && return
  python=$(find_python)
  echo "Setting up $VENV with $("$python" --version)${extras:+ and the extras $extras} (once; a few minutes) ..." >&2
  [[ -x "$VENV/bin/python" && -z "${PYTHON:-}" ]] || "$python" -m venv --clear "$VENV" >&2
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}" >&2 ||
    fail "pip could not install the packages (see its message above); fix that and run the same command again."
  echo "$wanted" >"$VENV/installed"
}

# An environment keeps its extras, so `test` followed by `train` installs nothing twice.
kept() { sed -n 's/.*\[\(.*\)\].*/\1/p' "$VENV/installed" 2>/dev/null || true; }

is_verb() { [[ "$1" =~ ^[a-z_]+$ && -f "cnn_history/$1.py" ]] && grep -q "__main__" "cnn_history/$1.py"; }

# Suggest the closest verb, with whichever Python there is.
require_verb() {
  local python file near="" known=(processes python slurm test tpu)
  is_verb "${1:-}" && return
  for file in cnn_history/*.py; do
    file=$(basename "$file" .py)
    is_verb "$file" && known+=("$file")
  done
  python=$(find_python 2>/dev/null) &&
    near=$("$python" -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1))' "${1:-}" "${known[@]}")
  [[ -z "$near" ]] || near=" did you mean '$near'?"
  fail "there is no command '${1:-}';$near ./launch.sh --help lists them."
}

# Start N processes, each with the same command and its own number. Signals are forwarded to all of
# them; the exit status is that of the first that failed.
processes() {
  local count="${1:-}" port number status=0 ended pids=()
  [[ "$count" =~ ^[1-9][0-9]*$ ]] || fail "processes N VERB ARGS...: expected a positive number N, got '$count'."
  shift
  require_verb "$@"
  set_up "$(kept)"
  port=$("$VENV/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  set -m  # a group for each process: Ctrl-C reaches only this script, which forwards it once
  for ((number = 0; number < count; number++)); do
    "$VENV/bin/python" -m "cnn_history.$1" "${@:2}" "--processes=$count" "--process=$number" \
      "--coordinator=127.0.0.1:$port" &
    pids+=($!)
  done
  trap 'kill -TERM "${pids[@]}" 2>/dev/null || true' TERM
  trap 'kill -INT "${pids[@]}" 2>/dev/null || true' INT
  trap 'kill -HUP "${pids[@]}" 2>/dev/null || true' HUP
  for number in "${!pids[@]}"; do
    ended=0
    while :; do  # wait returns early when a trap runs
      wait "${pids[$number]}" && ended=0 || ended=$?
      kill -0 "${pids[$number]}" 2>/dev/null || break
    done
    ((status != 0 || ended == 0)) || status=$ended
  done
  exit "$status"
}

# Print a command as one would type it, instead of running it.
show() {
  local word line=""
  for word in "$@"; do [[ "$word" =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]] && line+=" $word" || line+=" ${word@Q}"; done
  echo "${line# }"
}

# Copy the files that git tracks or would add, without the environment and runs. .git stays here, so the
# commit is passed by name.
tpu() {
  local run=() name zone pack there start
  [[ "${1:-}" == --dry-run ]] && { run=(show); shift; }
  [[ $# -ge 3 ]] || fail "tpu [--dry-run] NAME ZONE VERB ARGS..."
  name="$1" zone="$2"
  shift 2
  require_verb "$@"
  [[ ${#run[@]} -gt 0 ]] || command -v gcloud >/dev/null || fail "gcloud is not on PATH; see https://cloud.google.com/sdk/docs/install."
  pack="mkdir -p runs && git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- -czf runs/checkout.tar.gz"
  start="mkdir -p cnn_history && tar -xzf checkout.tar.gz -C cnn_history && cd cnn_history"
  start+=" && CNN_HISTORY_COMMIT=$(git describe --always --dirty=+ --abbrev=12 --exclude='*') ACCELERATOR=tpu"
  start+=" $(show ./launch.sh "$@" --processes=auto)"
  there=("--zone=$zone" --worker=all)
  "${run[@]}" bash -c "$pack"
  "${run[@]}" gcloud compute tpus tpu-vm scp runs/checkout.tar.gz "$name:checkout.tar.gz" "${there[@]}"
  "${run[@]}" gcloud compute tpus tpu-vm ssh "$name" "${there[@]}" --command="$start"
}

# The hosts share this folder and the environment in it, which is set up once, here.
slurm() {
  local run=()
  [[ "${1:-}" == --dry-run ]] && { run=(show); shift; }
  require_verb "$@"
  if [[ ${#run[@]} -eq 0 ]]; then
    command -v srun >/dev/null || fail "srun is not on PATH; run this inside a Slurm allocation (salloc or sbatch)."
    set_up "$(kept)"
  fi
  "${run[@]}" srun --ntasks-per-node=1 --kill-on-bad-exit=1 "$PWD/$VENV/bin/python" -m "cnn_history.$1" "${@:2}" --processes=auto
}

command="${1:-}"
[[ $# -gt 0 ]] && shift
case "$command" in
  "")
    set_up "$(kept)"
    exec "$VENV/bin/python" -m cnn_history.train --config=experiments/lenet5_digits.py --workdir=runs/lenet5_digits ;;
  test)
    set_up "test,$(kept)"
    exec "$VENV/bin/python" -m pytest "$@" ;;
  python)
    set_up "$(kept)"
    exec "$VENV/bin/python" "$@" ;;
  -h | --help | help)
    sed -n '2,/^set -/s/^# \{0,1\}//p' "$0" ;;
  processes | tpu | slurm)
    "$command" "$@" ;;
  *)
    require_verb "$command"
    set_up "$(kept)"
    exec "$VENV/bin/python" -m "cnn_history.$command" "$@" ;;
esac
