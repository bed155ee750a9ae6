#!/bin/sh
# Collects what `npm run serve` needs, and nothing that it was built with, in a folder: `docker/collect.sh FOLDER`.
set -eu
cd "$(dirname "$0")/.."
to=$1

mkdir -p "$to/bin" "$to/build" "$to/node_modules/@cloudflare" "$to/node_modules/workerd"
cp package.json wrangler.toml "$to/"
cp -R scripts "$to/"
cp build/index.js build/index_bg.wasm "$to/build/"
cp -R build/public "$to/build/"
# The parser of wrangler.toml, and the runtime: its program for this kind of machine, and what finds that. The package
# has the program a second time.
cp -R node_modules/smol-toml "$to/node_modules/"
cp -R node_modules/workerd/package.json node_modules/workerd/lib "$to/node_modules/workerd/"
cp -R node_modules/@cloudflare/workerd-* "$to/node_modules/@cloudflare/"
# The Node that package-lock.json names, which npm has checked.
cp -L node_modules/.bin/node "$to/bin/"
