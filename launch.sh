#!/usr/bin/env bash
# Set up (.venv, once) and start. Paths are relative to the checkout.
#
#   ./launch.sh                the default experiment: LeNet-5 on the embedded digits, in runs/lenet5_digits
#   ./launch.sh test           the tests
#   ./launch.sh VERB ARGS...   python -m cnn_history.VERB ARGS...   (train, evaluate, study; --help tells more)
#   ./launch.sh python ARGS... the environment's Python
#
# PYTHON=python3.12 chooses the interpreter, ACCELERATOR=cpu|cuda|tpu overrides detection,
# EXTRAS=torch (a comma list) installs more of setup.cfg's extras.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

SUPPORTED="3.13 3.12 3.11"  # newest first
VENV=.venv

fail() { echo "launch.sh: $*" >&2; exit 2; }

# A shim or a Python without venv is found on PATH, yet does not run: try each.
runs() { "$1" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] not in '$SUPPORTED'.split())" >/dev/null 2>&1; }

find_python() {
  local candidate
  if [[ -n "${PYTHON:-}" ]]; then
    runs "$PYTHON" || fail "PYTHON=$PYTHON does not run, or is none of Python $SUPPORTED with venv."
    echo "$PYTHON"; return
  fi
  for candidate in $SUPPORTED; do
    if runs "python$candidate"; then echo "python$candidate"; return; fi
  done
  if runs python3; then echo python3; return; fi
  fail "no Python of $SUPPORTED with venv was found. Install one (https://www.python.org/downloads, or 'apt install python3-venv'), or name it with PYTHON=."
}

accelerator() {
  if [[ -n "${ACCELERATOR:-}" ]]; then echo "$ACCELERATOR"
  elif compgen -G "/dev/accel*" >/dev/null || [[ -n "${TPU_NAME:-}" ]]; then echo tpu
  elif command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then echo cuda
  else echo cpu
  fi
}

# Install what setup.cfg asks for, once: the stamp holds what was installed, and is written last.
set_up() {
  local extras python wanted device
  device=$(accelerator)
  case "$device" in
    cpu) extras="$1" ;;
    cuda | tpu) extras="$1,$device" ;;
    *) fail "ACCELERATOR=$device is none of cpu, cuda, tpu." ;;
  esac
  extras=$(tr ',' '\n' <<<"$extras,${EXTRAS:-}" | sed '/^$/d' | sort -u | paste -sd, -)
  wanted="$(cksum setup.cfg pyproject.toml) [$extras] ${PYTHON:-}"
  [[ "$(cat "$VENV/installed" 2>/dev/null)" == "$wanted" ]] && return
  python=$(find_python)
  echo "Setting up $VENV with $("$python" --version)${extras:+ and the extras $extras} (once; a few minutes) ..." >&2
  [[ -x "$VENV/bin/python" && -z "${PYTHON:-}" ]] || "$python" -m venv --clear "$VENV" >&2
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}" >&2 ||
    fail "pip could not install the packages (its message stands above); run the same command again once that is mended."
  echo "$wanted" >"$VENV/installed"
}

# An environment once made keeps the extras it has: `test` and then `train` install nothing twice.
kept() { sed -n 's/.*\[\(.*\)\].*/\1/p' "$VENV/installed" 2>/dev/null || true; }

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
  *)
    [[ "$command" =~ ^[a-z_]+$ && -f "cnn_history/$command.py" ]] && grep -q "__main__" "cnn_history/$command.py" ||
      fail "'$command' is no command; see ./launch.sh --help."
    set_up "$(kept)"
    exec "$VENV/bin/python" -m "cnn_history.$command" "$@" ;;
esac
