#!/bin/bash
# Brings CPython 3.14, uvloop and aiohttp, as Debian packages them, into benchmarks/.cache/python; nothing is installed, git ignores it.
# run.mjs takes that Python when it is there, else the python3 on PATH. They bring the libraries they stand on, the C library
# included, so this works on a Debian older than they are.
set -eu
dir=$(cd "$(dirname "$0")" && pwd)/.cache/python
python=$dir/python3
[ -x "$python" ] && "$python" -c 'import uvloop, aiohttp' 2>/dev/null && exec "$python" -VV
command -v apt-get >/dev/null || { echo "get-python.sh: needs Debian's apt-get" >&2; exit 1; }
rm -rf "$dir" && mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
# the mirror that this machine's apt uses already
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
[ -n "$mirror" ] || { echo "get-python.sh: no Debian mirror among this machine's apt sources" >&2; exit 1; }
for suite in forky sid; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$dir/apt/sources.list"
options=(-qq -o "Dir::Etc::sourcelist=$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o "Dir::State::Lists=$dir/apt/lists" -o "Dir::Cache=$dir/apt/cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$dir/apt" && apt-get "${options[@]}" download python3.14-minimal libpython3.14-minimal libpython3.14-stdlib \
  python3-uvloop python3-aiohttp python3-aiohappyeyeballs python3-aiosignal python3-attr python3-frozenlist python3-idna \
  python3-multidict python3-propcache python3-yarl libuv1t64 libc6 libssl3t64 libexpat1 libffi8 zlib1g libzstd1 liblzma5 libbz2-1.0)
for package in "$dir"/apt/*.deb; do dpkg -x "$package" "$dir"; done
rm -r "$dir/apt"
cat >"$python" <<'WRAPPER'
#!/bin/sh
dir=$(cd "$(dirname "$0")" && pwd)
loader=$(ls "$dir"/usr/lib*/ld-linux*.so.* | head -n 1)
libraries=$(dirname "$(ls "$dir"/usr/lib/*/libc.so.6)")
PYTHONHOME=$dir/usr PYTHONPATH=$dir/usr/lib/python3/dist-packages
export PYTHONHOME PYTHONPATH
exec "$loader" --library-path "$libraries" "$dir/usr/bin/python3.14" "$@"
WRAPPER
chmod +x "$python"
"$python" -c 'import aiohttp, asyncio, uvloop; uvloop.run(asyncio.sleep(0))'
exec "$python" -VV
