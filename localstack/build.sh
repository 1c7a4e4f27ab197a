#!/bin/sh
# Builds the image, unless it is there, and prints its name. Needs a Docker engine; and, where no image can be pulled, root
# and debootstrap, with which the base is made from Debian's packages.
set -eu
cd "$(dirname "$0")"

sources="Dockerfile requirements.txt plugin/pyproject.toml plugin/zonewalk_localstack/*.py"
# shellcheck disable=SC2086 # several files, and a pattern
image="zonewalk-localstack:$(cat $sources | sha256sum | cut -c 1-12)"
if docker image inspect "$image" >/dev/null 2>&1; then
  echo "$image"
  exit
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

base=$(sed -n 's/^FROM //p' Dockerfile)
if ! docker image inspect "$base" >/dev/null 2>&1 && ! timeout 120 docker pull --quiet "$base" >/dev/null 2>&1; then
  echo "localstack/build.sh: $base cannot be pulled and is made with debootstrap" >&2
  suite=${base#*:}
  debootstrap --variant=minbase "${suite%-slim}" "$scratch/base" >&2
  rm -rf "$scratch"/base/var/cache/apt/archives/*.deb
  tar -C "$scratch/base" -c . | docker import - "$base" >&2
fi

mkdir "$scratch/context"
cp -r Dockerfile requirements.txt plugin "$scratch/context"
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
if [ -e "$certificates" ]; then
  cp -L "$certificates" "$scratch/context/ca-certificates.crt"
fi
docker build --network=host --tag "$image" "$scratch/context" >&2
echo "$image"
