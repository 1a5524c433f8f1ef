#!/bin/sh
# Installs proa: takes one release file, verifies it, tries it, and moves it into place in one step, so that a proa
# that is there stays whole and keeps running until the new one takes its name. Changes no other file, edits no profile.
# Everything is inside functions and the last line calls main: half a download of this script does nothing.
set -eu

usage() {
  cat <<'USAGE'
Installs proa, one executable.

Usage: install.sh [options]

  --from PLACE   where proa comes from: a release directory, one file of it, or the https:// or file:// address of
                 either (default: the release that lies beside this script). PLACE must have SHA256SUMS
  --version V    which version, where PLACE has several
  --dir DIR      where proa goes (default: ~/.local/bin, for root /usr/local/bin)
  --dry-run      says what would be done, and does nothing
  --uninstall    removes DIR/proa
  -h, --help     this text

Exit status: 0 done, 1 failed and nothing changed, 2 wrong usage.
USAGE
}

main() {
  from='' version='' dir='' dry_run=no action=install
  while [ $# -gt 0 ]; do
    case $1 in
      --from=* | --version=* | --dir=*) set_option "${1%%=*}" "${1#*=}" ;;
      --from | --version | --dir)
        [ $# -gt 1 ] || misuse "$1 needs a value"
        set_option "$1" "$2"
        shift
        ;;
      --dry-run) dry_run=yes ;;
      --uninstall) action=uninstall ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) misuse "unknown option $1" ;;
    esac
    shift
  done
  choose_directory
  "$action"
}

set_option() {
  [ -n "$2" ] || misuse "$1 needs a value"
  case $1 in
    --from) from=$2 ;;
    --version) version=${2#v} ;;
    --dir) dir=$2 ;;
  esac
}

# Sets dir (absolute) and target, the file that is installed or removed.
choose_directory() {
  if [ -z "$dir" ]; then
    if [ "$(id -u)" = 0 ]; then
      dir=/usr/local/bin
    else
      [ -n "${HOME:-}" ] || misuse "HOME is not set, so --dir is needed"
      dir=$HOME/.local/bin
    fi
  fi
  case $dir in
    /*) ;;
    *) dir=$PWD/$dir ;;
  esac
  [ "$dir" = / ] || dir=${dir%/}
  target=$dir/proa
}

install() {
  detect_platform
  choose_source
  choose_file
  if [ -d "$target" ]; then fail "Cannot install $target: it is a directory" "remove it, or choose another --dir"; fi
  if [ "$dry_run" = yes ]; then
    echo "would install $file from $base as $target"
    return
  fi
  temporary='' staged=''
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  obtain
  stage
  mv -f "$staged" "$target" || fail "Cannot replace $target" "$(directory_hint)"
  staged=''
  echo "installed $installed_version as $target"
  check_path
}

clean_up() {
  if [ -n "$temporary" ]; then rm -rf "$temporary"; fi
  if [ -n "$staged" ]; then rm -f "$staged"; fi
}

uninstall() {
  if [ ! -f "$target" ] && [ ! -L "$target" ]; then
    fail "Cannot uninstall: there is no $target" "name the directory it is in with --dir"
  fi
  if [ "$dry_run" = yes ]; then
    echo "would remove $target"
    return
  fi
  rm -f "$target" || fail "Cannot remove $target" "$(directory_hint)"
  echo "removed $target (data directories of nodes are untouched)"
}

# Sets platform, as the release files spell it.
detect_platform() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    MINGW* | MSYS* | CYGWIN* | Windows*)
      fail "Cannot install on Windows" "copy the windows-x64.exe file of the release to a directory in PATH"
      ;;
    *) fail "Cannot install on $(uname -s): proa is made for Linux and macOS" "build it from its sources" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "Cannot install on $(uname -m): proa is made for x86-64 and arm64" "build it from its sources" ;;
  esac
  # A translated shell on an Apple machine claims the other processor.
  if [ "$os" = darwin ] && [ "$(sysctl -n hw.optional.arm64 2>/dev/null)" = 1 ]; then arch=arm64; fi
  platform=$os-$arch
  if [ "$os" = linux ] && uses_musl; then platform=$platform-musl; fi
}

# A file ld-musl beside glibc decides nothing (a package may bring it), so what the system says comes first.
uses_musl() {
  if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then return 1; fi
  case $(ldd --version 2>&1) in
    *musl*) return 0 ;;
    *GLIBC* | *GNU*) return 1 ;;
  esac
  for loader in /lib/ld-musl-*.so.1; do
    if [ -e "$loader" ]; then return 0; fi
  done
  return 1
}

# Sets base, a directory or an address without a slash at the end, and file where --from names one.
choose_source() {
  file=''
  [ -n "$from" ] || default_source
  case $from in
    file://*) from=$(printf '%s\n' "${from#file://}" | sed -e 's/^localhost//' -e 's/%20/ /g') ;;
  esac
  case $from in
    https://* | http://127.0.0.1[:/]* | http://localhost[:/]*)
      command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 ||
        fail "Cannot download: there is neither curl nor wget" "install one, or fetch the release and use --from"
      base=${from%/}
      case ${base##*/} in
        proa-*) file=${base##*/} base=${base%/*} ;;
      esac
      ;;
    *://*) misuse "--from takes a path, https:// or file://, not $from" ;;
    *)
      if [ -d "$from" ]; then
        base=${from%/}
      elif [ -f "$from" ]; then
        file=${from##*/}
        case $from in
          */*) base=${from%/*} ;;
          *) base=. ;;
        esac
      else
        fail "Cannot read $from: no such file or directory" "give --from a release directory or one file of it"
      fi
      ;;
  esac
  if [ -n "$file" ] && [ -n "$version" ]; then misuse "--version chooses from a directory, and --from names a file"; fi
}

# Called without --from: a release has this script in it, a source tree has the release that it built.
default_source() {
  case $0 in
    */*) beside=${0%/*} ;;
    *) beside=. ;;
  esac
  for from in "$beside" "$beside/dist/release"; do
    if [ -f "$from/SHA256SUMS" ]; then return; fi
  done
  misuse "there is no release beside this script, so --from is needed"
}

# Sets file and sum: the file for this platform, and what its SHA-256 must be.
choose_file() {
  sums=$(read_source SHA256SUMS) ||
    fail "Cannot verify anything from $base: it has no SHA256SUMS" "put the SHA256SUMS of the release beside the file"
  found='' sum='' versions=0
  while read -r listed_sum listed; do
    listed=${listed#\*}
    if [ -n "$file" ]; then
      [ "$listed" = "$file" ] || continue
    else
      listed_version=${listed#proa-}
      listed_version=${listed_version%.gz}
      case $listed_version in
        *"-$platform") listed_version=${listed_version%"-$platform"} ;;
        *) continue ;;
      esac
      if [ -n "$version" ] && [ "$version" != "$listed_version" ]; then continue; fi
    fi
    versions=$((versions + 1))
    found=$listed sum=$listed_sum
  done <<SUMS
$sums
SUMS
  if [ "$versions" = 0 ]; then
    wanted=${file:-proa${version:+ $version} for $platform}
    fail "Cannot install $wanted: SHA256SUMS of $base does not list it" "it lists: $(list_files)"
  fi
  if [ "$versions" -gt 1 ]; then
    fail "Cannot choose: $base has several versions: $(list_files)" "choose one with --version"
  fi
  file=$found
}

list_files() {
  printf '%s\n' "$sums" | sed -e 's/^[^ ]* *\**//' | tr '\n' ' '
}

# Sets obtained: the release file, verified. A download goes to a directory of its own.
obtain() {
  case $base in
    http*://*)
      temporary=$(mktemp -d "${TMPDIR:-/tmp}/proa.XXXXXX") || fail "Cannot make a temporary directory" "set TMPDIR"
      obtained=$temporary/proa
      echo "downloading $base/$file"
      read_source "$file" >"$obtained" || fail "Cannot download $base/$file" "check the address and the network"
      ;;
    *)
      obtained=$base/$file
      [ -f "$obtained" ] || fail "Cannot read $obtained: no such file" "it is listed in SHA256SUMS: fetch it as well"
      ;;
  esac
  sha256 "$obtained"
  if [ "$actual" != "$sum" ]; then
    fail "Cannot trust $base/$file: its SHA-256 is $actual, SHA256SUMS says $sum" "fetch it again; nothing was changed"
  fi
}

# Writes a file of the source to stdout; fails where there is none.
read_source() {
  case $base in
    http*://*)
      if command -v curl >/dev/null 2>&1; then
        curl --fail --silent --show-error --location --proto-redir =https "$base/$1"
      else
        wget -q -O - "$base/$1"
      fi
      ;;
    *) cat "$base/$1" 2>/dev/null ;;
  esac
}

# Sets actual, the SHA-256 of a file.
sha256() {
  if command -v sha256sum >/dev/null 2>&1; then
    actual=$(sha256sum <"$1")
  elif command -v shasum >/dev/null 2>&1; then
    actual=$(shasum -a 256 <"$1")
  elif command -v openssl >/dev/null 2>&1; then
    actual=$(openssl dgst -sha256 -r <"$1")
  else
    fail "Cannot verify $1: there is neither sha256sum nor shasum nor openssl" "install one of them"
  fi
  actual=${actual%% *}
}

# Sets staged: the executable under a name of its own beside the target, because only inside one file system does a
# rename replace a file in one step; and installed_version, what it says of itself when it is tried.
stage() {
  mkdir -p "$dir" 2>/dev/null || fail "Cannot create $dir" "$(directory_hint)"
  staged=$(mktemp "$dir/.proa.XXXXXX" 2>/dev/null) || fail "Cannot write to $dir" "$(directory_hint)"
  case $file in
    *.gz) gzip -dc <"$obtained" >"$staged" || fail "Cannot unpack $file to $dir" "gzip and disk space are needed" ;;
    *) cat <"$obtained" >"$staged" || fail "Cannot copy $file to $dir" "disk space is needed" ;;
  esac
  chmod 755 "$staged"
  installed_version=$("$staged" version </dev/null 2>/dev/null) ||
    fail "Cannot run $file on this machine ($platform)" "choose the file for this platform, and a --dir that may hold programs"
}

directory_hint() {
  echo "choose a directory that you may write to with --dir, or run as root"
}

# Says what keeps the command proa from starting the one that was installed.
check_path() {
  case :${PATH:-}: in
    *:"$dir":*) ;;
    *)
      note "$dir is not in PATH; add it with: export PATH=\"$dir:\$PATH\""
      return
      ;;
  esac
  first=$(command -v proa) || return 0
  if [ "$first" != "$target" ]; then note "the command proa starts $first, which comes first in PATH"; fi
}

note() {
  printf 'install.sh: note: %s\n' "$1" >&2
}

fail() {
  printf 'install.sh: error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

misuse() {
  printf 'install.sh: error: %s\nhint: see install.sh --help\n' "$1" >&2
  exit 2
}

main "$@"
