#!/usr/bin/env bash
# What the test of the trial needs: the Docker Engine and its command line, out of Debian's package but not installed (it would
# start a service), and `docker compose`, from the Go module proxy; into LAB_DIR. Later runs find them there.
set -euo pipefail
export LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
DOCKER=$LAB_DIR/docker COMPOSE=v2.40.3
mkdir -p "$DOCKER"
if [ ! -x "$DOCKER/dockerd" ]; then
  work=$(mktemp -d)
  ( cd "$work"
    apt-get download -q docker.io >/dev/null 2>&1 || { apt-get update -q >/dev/null; apt-get download -q docker.io >/dev/null; }
    dpkg -x docker.io_*.deb . )
  install -m 755 "$work"/usr/bin/docker "$work"/usr/sbin/docker-proxy "$DOCKER"
  # The last: with it all are there.
  install -m 755 "$work"/usr/sbin/dockerd "$DOCKER/dockerd"
  rm -rf "$work"
fi
if [ ! -e "$DOCKER/.compose-$COMPOSE" ]; then
  # It excludes versions of a dependency, which 'go install' refuses: a module of our own with its requirements does the same.
  module=github.com/docker/compose/v2 work=$(mktemp -d)
  source=$(go mod download -json "$module@$COMPOSE" | jq -r .Dir)
  ( cd "$work"
    sed 's#^module .*#module tools#' "$source/go.mod" >go.mod
    cp "$source/go.sum" .
    chmod u+w go.mod go.sum
    go mod edit -require "$module@$COMPOSE"
    CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=mod' go build -ldflags "-s -w -X $module/internal.Version=$COMPOSE" -o "$DOCKER/docker-compose" "$module/cmd" )
  rm -rf "$work"
  touch "$DOCKER/.compose-$COMPOSE"
fi
